package import Digest

/// Why bytes from outside were refused before anybody looked at their meaning.
package enum WireError: Error, Hashable, Sendable {
    /// Fewer bytes than the field `field` needs.
    case truncated(field: String)
    /// Bytes were left over after the last field.
    case trailing(count: Int)
    /// A length or count exceeds its bound.
    case tooLarge(field: String, value: UInt64, limit: UInt64)
    /// A value that this wire version doesn't know.
    case unknownValue(field: String, value: UInt64)
    /// Text that is not UTF-8, or values that contradict each other.
    case malformed(field: String)
    /// A wire version that is neither ours nor the one before.
    case unsupportedVersion(UInt64)
}

extension WireError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncated(let field): "the bytes end inside \(field)"
        case .trailing(let count): "\(count) bytes follow the last field"
        case .tooLarge(let field, let value, let limit): "\(field) is \(value), the limit is \(limit)"
        case .unknownValue(let field, let value): "\(field) has the unknown value \(value)"
        case .malformed(let field): "\(field) is malformed"
        case .unsupportedVersion(let version):
            "wire version \(version) is not spoken here; run the same release on both"
        }
    }
}

/// Appends fields in the wire's layout: fixed-width little-endian integers, 32-byte digests as they are, byte strings and
/// arrays behind a 32-bit count.
package struct WireWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func write(_ value: some FixedWidthInteger & UnsignedInteger) {
        LittleEndian.append(UInt64(value), width: value.bitWidth / 8, to: &bytes)
    }

    package mutating func write(_ value: Int64) { write(UInt64(bitPattern: value)) }
    package mutating func write(_ value: Bool) { write(UInt8(value ? 1 : 0)) }
    package mutating func write(_ value: Digest256) { value.append(to: &bytes) }
    package mutating func write<Kind>(_ value: Identifier<Kind>) { write(value.digest) }

    package mutating func write(_ value: [UInt8]) {
        write(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    package mutating func write(_ value: String) { write(Array(value.utf8)) }

    package mutating func write<Element>(_ values: [Element], _ body: (inout WireWriter, Element) -> Void) {
        write(UInt32(values.count))
        for value in values { body(&self, value) }
    }

    package mutating func write<Value>(optional value: Value?, _ body: (inout WireWriter, Value) -> Void) {
        write(value != nil)
        if let value { body(&self, value) }
    }

    package mutating func append(raw: [UInt8]) { bytes.append(contentsOf: raw) }
}

/// Reads what `WireWriter` wrote. Every count is bounded before anything is allocated for it.
package struct WireReader: Sendable {
    private let bytes: [UInt8]
    private var offset: Int

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        offset = 0
    }

    package var remaining: Int { bytes.count - offset }

    package mutating func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type, _ field: String
    ) throws(WireError) -> Value {
        let width = Value.bitWidth / 8
        guard remaining >= width else { throw .truncated(field: field) }
        defer { offset += width }
        return Value(truncatingIfNeeded: LittleEndian.load(width: width, from: bytes, at: offset))
    }

    package mutating func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ field: String
    ) throws(WireError) -> Value {
        try read(Value.self, field)
    }

    package mutating func readSigned(_ field: String) throws(WireError) -> Int64 {
        Int64(bitPattern: try read(UInt64.self, field))
    }

    package mutating func readBool(_ field: String) throws(WireError) -> Bool {
        switch try read(UInt8.self, field) {
        case 0: return false
        case 1: return true
        case let other: throw .unknownValue(field: field, value: UInt64(other))
        }
    }

    package mutating func readDigest(_ field: String) throws(WireError) -> Digest256 {
        guard let digest = Digest256(try readRaw(Digest256.byteCount, field)) else { throw .truncated(field: field) }
        return digest
    }

    package mutating func readIdentifier<Kind>(_ field: String) throws(WireError) -> Identifier<Kind> {
        Identifier(try readDigest(field))
    }

    package mutating func readRaw(_ count: Int, _ field: String) throws(WireError) -> ArraySlice<UInt8> {
        guard count >= 0, remaining >= count else { throw .truncated(field: field) }
        defer { offset += count }
        return bytes[offset..<offset + count]
    }

    package mutating func readBytes(_ field: String, limit: Int) throws(WireError) -> [UInt8] {
        let count = try readCount(field, limit: limit)
        return Array(try readRaw(count, field))
    }

    package mutating func readString(_ field: String, limit: Int) throws(WireError) -> String {
        let bytes = try readBytes(field, limit: limit)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .malformed(field: field) }
        return text
    }

    package mutating func readCount(_ field: String, limit: Int) throws(WireError) -> Int {
        let count = try read(UInt32.self, field)
        guard Int(count) <= limit else { throw .tooLarge(field: field, value: UInt64(count), limit: UInt64(limit)) }
        return Int(count)
    }

    package mutating func readArray<Element>(
        _ field: String, limit: Int, _ body: (inout WireReader) throws(WireError) -> Element
    ) throws(WireError) -> [Element] {
        let count = try readCount(field, limit: limit)
        var elements: [Element] = []
        // An element takes at least a byte, so a lying count can't reserve more than the frame's own size.
        elements.reserveCapacity(min(count, remaining))
        for _ in 0..<count { elements.append(try body(&self)) }
        return elements
    }

    package mutating func readOptional<Value>(
        _ field: String, _ body: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Value? {
        try readBool(field) ? try body(&self) : nil
    }

    package mutating func readRest() -> [UInt8] {
        defer { offset = bytes.count }
        return Array(bytes[offset...])
    }

    package func finish() throws(WireError) {
        guard remaining == 0 else { throw .trailing(count: remaining) }
    }
}

/// A record with one canonical encoding.
package protocol WireCodable: Sendable {
    func encode(to writer: inout WireWriter)
    init(from reader: inout WireReader) throws(WireError)
}

extension WireCodable {
    package var encoded: [UInt8] {
        var writer = WireWriter()
        encode(to: &writer)
        return writer.bytes
    }

    /// Decodes a whole buffer; bytes left over are an error.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = WireReader(bytes)
        self = try Self(from: &reader)
        try reader.finish()
    }
}
