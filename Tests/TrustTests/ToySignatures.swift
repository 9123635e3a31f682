import Digest
import Records
import Trust

/// Signatures that prove nothing outside a test: BLAKE2b of (secret, message), twice. The verifier finds the secret
/// because the public key is its hash and it knows all of them.
struct ToySigner: MessageSigner {
    let secret: [UInt8]
    let publicKey: Digest256

    init(_ name: String) {
        secret = Array("secret of \(name)".utf8)
        publicKey = BLAKE2b.digest(secret)
    }

    func sign(_ message: [UInt8]) -> Signature { Self.signature(secret, message) }

    static func signature(_ secret: [UInt8], _ message: [UInt8]) -> Signature {
        let first = BLAKE2b.digest(secret + message).bytes
        guard let signature = Signature(first + BLAKE2b.digest(first).bytes) else {
            preconditionFailure("two digests are 64 bytes")
        }
        return signature
    }
}

struct ToyVerifier: SignatureVerifier {
    private let secrets: [Digest256: [UInt8]]

    init(_ signers: [ToySigner]) {
        secrets = Dictionary(uniqueKeysWithValues: signers.map { ($0.publicKey, $0.secret) })
    }

    func isValid(_ signature: Signature, of message: [UInt8], by key: Digest256) -> Bool {
        secrets[key].map { ToySigner.signature($0, message) == signature } ?? false
    }
}
