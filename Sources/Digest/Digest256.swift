/// A 256-bit digest or key: a value that can be compared, hashed, ordered and printed.
///
/// Held as four big-endian words, so that `<` is the order of the bytes.
package struct Digest256: Hashable, Comparable, Sendable {
    package static let byteCount = 32
    package static let zero = Digest256(0, 0, 0, 0)

    private var first: UInt64
    private var second: UInt64
    private var third: UInt64
    private var fourth: UInt64

    private init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        self.first = first
        self.second = second
        self.third = third
        self.fourth = fourth
    }

    /// Takes exactly 32 bytes; anything else gives nil.
    package init?(_ bytes: some Collection<UInt8>) { self.init(Array(bytes)) }

    /// Arrays and their slices come with every frame and message, so they have a way without generic code.
    package init?(_ bytes: [UInt8]) {
        guard let digest = bytes.withUnsafeBytes(Self.init(loading:)) else { return nil }
        self = digest
    }

    package init?(_ bytes: ArraySlice<UInt8>) {
        guard let digest = bytes.withUnsafeBytes(Self.init(loading:)) else { return nil }
        self = digest
    }

    private init?(loading bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        }
        self.init(word(0), word(1), word(2), word(3))
    }

    /// Takes 64 hexadecimal digits, in either case.
    package init?(hexadecimal text: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes)
    }

    package var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
            withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
            count = Self.byteCount
        }
    }

    /// Appends the 32 bytes in order.
    package func append(to bytes: inout [UInt8]) { withUnsafeBytes { bytes.append(contentsOf: $0) } }

    private func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Swift.withUnsafeBytes(
            of: (first.bigEndian, second.bigEndian, third.bigEndian, fourth.bigEndian), body)
    }

    /// The leading 64 bits: a cheap, uniformly distributed number for buckets and rendezvous hashing.
    package var leadingWord: UInt64 { first }

    /// Digests and keys are evenly spread already, so one word of four tells tables enough.
    package func hash(into hasher: inout Hasher) { hasher.combine(first) }

    package static func < (left: Digest256, right: Digest256) -> Bool {
        (left.first, left.second, left.third, left.fourth) < (right.first, right.second, right.third, right.fourth)
    }

    /// Combines digests of a set so that their order doesn't matter.
    package static func ^ (left: Digest256, right: Digest256) -> Digest256 {
        Digest256(
            left.first ^ right.first, left.second ^ right.second, left.third ^ right.third, left.fourth ^ right.fourth)
    }
}

extension Digest256: CustomStringConvertible {
    /// 64 lower-case hexadecimal digits.
    package var description: String { Hexadecimal.encode(bytes) }
}

/// Hexadecimal text, the way people see keys and digests.
package enum Hexadecimal {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for an odd count or anything that is not a hexadecimal digit.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            guard let digit = value(of: character) else { return nil }
            if let upper = high {
                bytes.append(upper << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? bytes : nil
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
