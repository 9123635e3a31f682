/// The parameters behind a path's question mark, as forms write them. What is not UTF-8 is repaired, what is too much left out.
package struct RequestQuery: Hashable, Sendable {
    private var values: [String: String] = [:]

    /// - Parameter text: still encoded, bounded by the request line.
    package init(_ text: String) {
        for pair in text.utf8.split(separator: UInt8(ascii: "&")).prefix(HTTPLimits.parameters) {
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            values[Self.decoded(name)] = Self.decoded(pair.dropFirst(name.count + 1))
        }
    }

    /// The value; nil when there is no such parameter.
    package subscript(name: String) -> String? { values[name] }

    /// The value as a number within `range`; `normal` when it is missing or none.
    package func number(_ name: String, within range: ClosedRange<Int>, normal: Int) -> Int {
        guard let text = values[name], let number = Int(text) else { return normal }
        return min(max(number, range.lowerBound), range.upperBound)
    }

    private static func decoded(_ text: Substring.UTF8View) -> String {
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2, let value = hexadecimal(digits) {
                bytes.append(value)
                rest.removeFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ digits: Substring.UTF8View) -> UInt8? {
        var value: UInt8 = 0
        for digit in digits {
            guard let number = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            value = value << 4 | UInt8(number)
        }
        return value
    }
}
