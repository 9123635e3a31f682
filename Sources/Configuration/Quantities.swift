/// Durations and sizes as people write them.
package enum Quantities {
    /// `30s`, `90m`, `24h`, `7d`, or plain seconds; nil for anything else or an overflow. Milliseconds.
    package static func milliseconds(_ text: some StringProtocol) -> Int64? {
        let units: [Character: Int64] = ["s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard let last = text.last else { return nil }
        if let unit = units[last] { return multiply(text.dropLast(), unit) }
        return multiply(text[...], 1000)
    }

    /// `500MB`, `1.5GB`, `64MiB`, `1000`, with an optional `/s`; nil for anything else. Bytes, with MB = 1,000,000.
    package static func bytes(_ text: some StringProtocol) -> UInt64? {
        let units: [(String, Double)] = [
            ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("TiB", 1_099_511_627_776),
            ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1),
        ]
        var rest = text.hasSuffix("/s") ? String(text.dropLast(2)) : String(text)
        var factor = 1.0
        for (unit, value) in units where rest.lowercased().hasSuffix(unit.lowercased()) {
            rest = String(rest.dropLast(unit.count))
            factor = value
            break
        }
        guard let number = Double(rest), number.isFinite, number >= 0, number * factor < 1e18 else { return nil }
        return UInt64(number * factor)
    }

    private static func multiply(_ digits: some StringProtocol, _ unit: Int64) -> Int64? {
        guard let number = Int64(digits), number >= 0 else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? nil : product
    }
}
