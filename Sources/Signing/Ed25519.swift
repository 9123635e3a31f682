package import Digest
import EventThread
package import Records
import Telemetry
import Trust

/// Signs with an Ed25519 seed, which it keeps to itself: it is never printed, logged or encoded.
package struct Ed25519Signer: MessageSigner {
    package static let seedLength = Sodium.seedLength

    package let publicKey: Digest256
    private let seed: [UInt8]

    /// Nil unless `seed` has `seedLength` bytes.
    package init?(seed: [UInt8]) {
        guard seed.count == Self.seedLength, let key = Digest256(Sodium.ed25519PublicKey(secretSeed: seed)) else {
            return nil
        }
        self.seed = seed
        publicKey = key
    }

    /// A new key that nobody else has.
    package static func generate() -> (signer: Ed25519Signer, seed: [UInt8]) {
        let seed = Sodium.randomBytes(count: seedLength)
        guard let signer = Ed25519Signer(seed: seed) else { preconditionFailure("a seed has \(seedLength) bytes") }
        return (signer, seed)
    }

    package func sign(_ message: [UInt8]) -> Signature {
        guard let signature = Signature(Sodium.ed25519Sign(message: message, secretSeed: seed)) else {
            preconditionFailure("an Ed25519 signature has \(Signature.byteCount) bytes")
        }
        return signature
    }
}

extension Ed25519Signer: CustomStringConvertible {
    /// The public half only.
    package var description: String { "Ed25519Signer(\(publicKey))" }
}

/// Verifies with libsodium: 51 to 58 microseconds each (anchors/mesh.md 4.6).
package struct Ed25519Verifier: SignatureVerifier {
    /// What each check costs, since an attacker who makes a peer check signatures takes its processor.
    private static let time = Metrics.shared.histogram(
        "modelexpress_signature_check_seconds", help: "Time that the check of one signature takes.",
        bounds: [0.000_025, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.01])

    package init() {}

    package func isValid(_ signature: Signature, of message: [UInt8], by key: Digest256) -> Bool {
        let start = MonotonicClock.now()
        defer { Self.time.observe(nanoseconds: MonotonicClock.now() - start) }
        return Sodium.ed25519Verify(signature: signature.bytes, message: message, publicKey: key.bytes)
    }
}

/// libsodium's digests, to be injected where the pure floors take a `ChunkDigester`.
package enum SodiumDigests {
    package static let blake2b256: @Sendable (UnsafeRawBufferPointer) -> Digest256 = { bytes in
        guard let digest = Digest256(Sodium.blake2b256(bytes)) else {
            preconditionFailure("a digest has \(Digest256.byteCount) bytes")
        }
        return digest
    }

    /// The same of bytes that lie in several places, in order.
    package static let blake2b256OfParts: @Sendable ([UnsafeRawBufferPointer]) -> Digest256 = { parts in
        guard let digest = Digest256(Sodium.blake2b256(parts)) else {
            preconditionFailure("a digest has \(Digest256.byteCount) bytes")
        }
        return digest
    }
}
