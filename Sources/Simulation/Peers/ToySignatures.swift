import Digest
import Records
import Synchronization
import Trust

/// Signatures that prove nothing outside a simulation: a keyed hash of the message. Who holds a signer can sign as that key and
/// as no other, so forgeries fail as they do in production.
///
/// Verifying takes one pass over the message, about as long as looking it up in a cache of verified ones would take; so there is
/// no such cache, and every verification is counted in place.
enum ToySignatures {
    /// 64 bytes as eight words.
    typealias Words = InlineArray<8, UInt64>

    static func sign(_ message: [UInt8], secret: UInt64) -> Words {
        var first = secret
        var second = ~secret
        message.withUnsafeBytes { bytes in
            var offset = 0
            while offset + 8 <= bytes.count {
                absorb(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self), &first, &second)
                offset += 8
            }
            var rest = UInt64(bytes.count)
            for index in offset..<bytes.count { rest = rest << 8 | UInt64(bytes[index]) }
            absorb(rest, &first, &second)
        }
        var expansion = SeededGenerator(seed: first)
        var other = SeededGenerator(seed: second)
        return Words { _ in expansion.next() ^ other.next() }
    }

    private static func absorb(_ word: UInt64, _ first: inout UInt64, _ second: inout UInt64) {
        first = (first ^ word) &* 0x9E37_79B9_7F4A_7C15
        first ^= first >> 32
        second = (second &+ word) &* 0xD6E8_FEB8_6659_FD93
        second ^= second >> 29
    }
}

/// Knows how every key of a run signs: the simulation's, and nobody else's.
final class SignatureBook: SignatureVerifier {
    private let secret: UInt64
    private let verified = Atomic<Int>(0)

    init(seed: UInt64) { secret = RandomStreams.mixed(seed, RandomStreams.Purpose.keys.rawValue) }

    /// Signatures looked at since the run began.
    var verifications: Int { verified.load(ordering: .relaxed) }

    func signer(of publicKey: Digest256) -> ToySigner {
        ToySigner(publicKey: publicKey, secret: secret(of: publicKey))
    }

    func isValid(_ signature: Signature, of message: [UInt8], by key: Digest256) -> Bool {
        verified.wrappingAdd(1, ordering: .relaxed)
        let expected = ToySignatures.sign(message, secret: secret(of: key))
        return signature.bytes.withUnsafeBytes { bytes in
            for index in 0..<8
            where bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self) != expected[index] {
                return false
            }
            return true
        }
    }

    private func secret(of key: Digest256) -> UInt64 { RandomStreams.mixed(secret, key.leadingWord) }
}

/// Signs with one key.
struct ToySigner: MessageSigner {
    let publicKey: Digest256
    let secret: UInt64

    func sign(_ message: [UInt8]) -> Signature {
        let words = ToySignatures.sign(message, secret: secret)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Signature.byteCount)
        for index in 0..<8 { withUnsafeBytes(of: words[index]) { bytes.append(contentsOf: $0) } }
        guard let signature = Signature(bytes) else { preconditionFailure("eight words are 64 bytes") }
        return signature
    }
}
