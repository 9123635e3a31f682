/// A hash of everything that happened in a run, in order: equal for equal runs, in whichever process.
///
/// FNV-1a over words in place of bytes, folded so that high bits reach the low ones.
struct TraceHash: Hashable {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ word: UInt64) {
        let product = (value ^ word) &* 0x0100_0000_01B3
        value = product ^ product >> 32
    }

    mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

    mutating func add(_ text: String) { add(Self.digest(of: Array(text.utf8))) }

    /// Of a message's bytes: made once where it is sent, and carried with it.
    static func digest(of bytes: [UInt8]) -> UInt64 {
        var hash = TraceHash()
        hash.add(bytes.count)
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset + 8 <= buffer.count {
                hash.add(buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                offset += 8
            }
            while offset < buffer.count {
                hash.add(UInt64(buffer[offset]))
                offset += 1
            }
        }
        return hash.value
    }

    /// Sixteen hexadecimal digits.
    var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
