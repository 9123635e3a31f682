import Records

/// A version as Lua can compare it: 40 decimal digits, incarnation then sequence, each padded to 20. Lua's numbers are
/// doubles and end at 2^53; its strings compare by the server's locale, in which only digits are sure to keep their order.
enum VersionText {
    static let digits = 20

    static func encode(_ version: Version) -> [UInt8] {
        padded(version.incarnation) + padded(version.sequence)
    }

    /// Nil for anything that `encode` does not make.
    static func decode(_ text: [UInt8]) -> Version? {
        guard text.count == 2 * digits, let incarnation = number(text[..<digits]),
            let sequence = number(text[digits...])
        else { return nil }
        return Version(incarnation: incarnation, sequence: sequence)
    }

    private static func padded(_ value: UInt64) -> [UInt8] {
        let text = Array(String(value).utf8)
        return Array(repeating: UInt8(ascii: "0"), count: digits - text.count) + text
    }

    private static func number(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return UInt64(String(decoding: text, as: UTF8.self))
    }
}
