/// Why bytes are not the JSON that was expected, and where.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    package let reason: String
    /// Bytes from the start of the text.
    package let offset: Int

    package var description: String { "\(reason) at byte \(offset)" }
}

/// Reads strict JSON (RFC 8259) from bytes, one token at a time and without recursion into the caller, so that a header of
/// many megabytes costs one pass and nothing it doesn't say. Numbers are unsigned 64-bit integers unless they are skipped.
package struct JSONScanner: Sendable {
    /// Objects and arrays inside each other; safetensors needs three.
    package static let depthLimit = 32

    private let bytes: [UInt8]
    private var position = 0
    /// For each open object or array: whether its first member is still to come.
    private var isAtFirst: [Bool] = []

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package func error(_ reason: String) -> JSONError { JSONError(reason: reason, offset: position) }

    // MARK: Objects and arrays

    package mutating func beginObject() throws(JSONError) { try begin(UInt8(ascii: "{"), "an object") }

    /// The next member's key, its value still to be read; nil at the object's end.
    package mutating func nextKey() throws(JSONError) -> String? {
        guard try advance(closing: UInt8(ascii: "}")) else { return nil }
        let key = try readString()
        try expect(UInt8(ascii: ":"), "':'")
        return key
    }

    package mutating func beginArray() throws(JSONError) { try begin(UInt8(ascii: "["), "an array") }

    /// Whether an element follows, still to be read; false at the array's end.
    package mutating func nextElement() throws(JSONError) -> Bool { try advance(closing: UInt8(ascii: "]")) }

    /// Nothing but white space may follow.
    package mutating func finish() throws(JSONError) {
        skipSpace()
        guard position == bytes.count else { throw error("more text after the end of the JSON") }
    }

    private mutating func begin(_ opening: UInt8, _ what: String) throws(JSONError) {
        try expect(opening, what)
        guard isAtFirst.count < Self.depthLimit else { throw error("nested deeper than \(Self.depthLimit) levels") }
        isAtFirst.append(true)
    }

    private mutating func advance(closing: UInt8) throws(JSONError) -> Bool {
        guard let isFirst = isAtFirst.last else { throw error("no object or array is open") }
        skipSpace()
        if peek == closing {
            position += 1
            isAtFirst.removeLast()
            return false
        }
        if !isFirst { try expect(UInt8(ascii: ","), "',' or the end") }
        isAtFirst[isAtFirst.count - 1] = false
        return true
    }

    // MARK: Values

    package mutating func readUInt64() throws(JSONError) -> UInt64 {
        skipSpace()
        let start = position
        var value: UInt64 = 0
        while let byte = peek, Self.isDigit(byte) {
            let (product, first) = value.multipliedReportingOverflow(by: 10)
            let (sum, second) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !first, !second else { throw error("a number over 64 bits") }
            value = sum
            position += 1
        }
        guard position > start else { throw error("expected a whole number") }
        guard position == start + 1 || bytes[start] != UInt8(ascii: "0") else {
            throw error("a number with leading zeros")
        }
        if let byte = peek, byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e") {
            throw error("expected a whole number")
        }
        return value
    }

    package mutating func readString() throws(JSONError) -> String {
        try expect(UInt8(ascii: "\""), "a string")
        let start = position
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        guard peek == UInt8(ascii: "\"") else { return try readEscapedString(from: start) }
        position += 1
        return try text(bytes[start..<position - 1])
    }

    /// Reads past a value of any kind, checking that it is JSON.
    package mutating func skipValue() throws(JSONError) {
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"):
            try beginObject()
            while try nextKey() != nil { try skipValue() }
        case UInt8(ascii: "["):
            try beginArray()
            while try nextElement() { try skipValue() }
        case UInt8(ascii: "\""): _ = try readString()
        case UInt8(ascii: "t"): try expect(word: "true")
        case UInt8(ascii: "f"): try expect(word: "false")
        case UInt8(ascii: "n"): try expect(word: "null")
        default: try skipNumber()
        }
    }

    private mutating func skipNumber() throws(JSONError) {
        if peek == UInt8(ascii: "-") { position += 1 }
        let start = position
        try skipDigits()
        guard position == start + 1 || bytes[start] != UInt8(ascii: "0") else {
            throw error("a number with leading zeros")
        }
        if peek == UInt8(ascii: ".") {
            position += 1
            try skipDigits()
        }
        if let byte = peek, byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            if let sign = peek, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
            try skipDigits()
        }
    }

    private mutating func skipDigits() throws(JSONError) {
        guard let first = peek, Self.isDigit(first) else { throw error("expected a value") }
        while let byte = peek, Self.isDigit(byte) { position += 1 }
    }

    // MARK: Strings with escapes

    private mutating func readEscapedString(from start: Int) throws(JSONError) -> String {
        var content = Array(bytes[start..<position])
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return try text(content[...])
            case UInt8(ascii: "\\"): content.append(contentsOf: try readEscape())
            case 0..<0x20: throw error("a control character inside a string")
            default: content.append(byte)
            }
        }
        throw error("the text ends inside a string")
    }

    private mutating func readEscape() throws(JSONError) -> [UInt8] {
        guard let byte = peek else { throw error("the text ends inside a string") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(Character(try readScalar())).utf8)
        default: throw error("an unknown escape")
        }
    }

    /// The scalar after `\u`, a surrogate pair taken together.
    private mutating func readScalar() throws(JSONError) -> Unicode.Scalar {
        var value = try readHexadecimal()
        if 0xD800..<0xDC00 ~= value {
            try expectRaw(UInt8(ascii: "\\"))
            try expectRaw(UInt8(ascii: "u"))
            let low = try readHexadecimal()
            guard 0xDC00..<0xE000 ~= low else { throw error("half of a surrogate pair") }
            value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(value) else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func readHexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("an escape without four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func expectRaw(_ byte: UInt8) throws(JSONError) {
        guard peek == byte else { throw error("half of a surrogate pair") }
        position += 1
    }

    private func text(_ slice: ArraySlice<UInt8>) throws(JSONError) -> String {
        guard let text = String(validating: slice, as: UTF8.self) else { throw error("a string that is not UTF-8") }
        return text
    }

    // MARK: Bytes

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
        skipSpace()
        guard peek == byte else {
            throw error(position < bytes.count ? "expected \(what)" : "the text ends before \(what)")
        }
        position += 1
    }

    private mutating func expect(word: String) throws(JSONError) {
        for byte in word.utf8 {
            guard peek == byte else { throw error("expected \(word)") }
            position += 1
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
