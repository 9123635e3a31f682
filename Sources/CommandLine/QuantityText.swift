/// Sizes, speeds and times as people read them.
package enum QuantityText {
    /// `1.23 GB`, `45.6 MB`, `7.8 kB`, `900 B`; powers of ten.
    package static func bytes(_ count: UInt64) -> String {
        let (factor, unit) = unit(of: count)
        return factor == 1 ? "\(count) B" : "\(fixed(Double(count) / factor, 2)) \(unit)"
    }

    /// `1.20/4.00 GB`: both in the larger one's unit.
    package static func bytes(_ count: UInt64, of total: UInt64) -> String {
        let (factor, unit) = unit(of: total)
        if factor == 1 { return "\(count)/\(total) B" }
        return "\(fixed(Double(count) / factor, 2))/\(fixed(Double(total) / factor, 2)) \(unit)"
    }

    /// `9.81 GB/s`, below 0.1 GB/s `43.20 MB/s`.
    package static func rate(gigabytesPerSecond rate: Double) -> String {
        guard rate.isFinite, rate >= 0 else { return "- GB/s" }
        return rate >= 0.1 ? "\(fixed(rate, 2)) GB/s" : "\(fixed(rate * 1000, 2)) MB/s"
    }

    /// `45.2%`, never rounded up to all.
    package static func percent(_ part: UInt64, of whole: UInt64) -> String {
        guard whole > 0, part < whole else { return "100%" }
        return "\(fixed((Double(part) / Double(whole) * 1000).rounded(.down) / 10, 1))%"
    }

    /// `8 s`, `2 min 5 s`, `3 h 20 min`, `7 d 2 h`.
    package static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "-" }
        let whole = Int(seconds.rounded())
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
        }
    }

    /// A number with a fixed count of decimals.
    package static func fixed(_ value: Double, _ decimals: Int) -> String {
        let factor = (0..<decimals).reduce(1.0) { product, _ in product * 10 }
        let scaled = (value.magnitude * factor).rounded()
        guard scaled < 1e18 else { return "\(value)" }
        let digits = String(UInt64(scaled))
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let sign = value < 0 && scaled > 0 ? "-" : ""
        return decimals == 0 ? sign + padded : "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
    }

    private static func unit(of count: UInt64) -> (Double, String) {
        switch count {
        case 1_000_000_000_000...: (1e12, "TB")
        case 1_000_000_000...: (1e9, "GB")
        case 1_000_000...: (1e6, "MB")
        case 1000...: (1e3, "kB")
        default: (1, "B")
        }
    }
}
