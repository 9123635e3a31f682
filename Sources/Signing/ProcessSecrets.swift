import CSodium
package import Digest
import PeerLogic
package import Records
package import Trust

/// The keys of one process, made at its start and never stored.
package struct ProcessSecrets: PeerSecrets {
    package let signer: any MessageSigner
    package let curveKey: CurveKey
    /// X25519 secret key for CURVE, 32 bytes. Never logged.
    package let curveSecretKey: [UInt8]

    package init() {
        Sodium.initialise()
        signer = Ed25519Signer.generate().signer
        var publicKey = [UInt8](repeating: 0, count: Int(crypto_box_PUBLICKEYBYTES))
        var secretKey = [UInt8](repeating: 0, count: Int(crypto_box_SECRETKEYBYTES))
        crypto_box_keypair(&publicKey, &secretKey)
        guard let key = CurveKey(bytes: publicKey) else { preconditionFailure("an X25519 key has 32 bytes") }
        curveKey = key
        curveSecretKey = secretKey
    }

    package func unpredictable() -> Digest256 {
        guard let digest = Digest256(Sodium.randomBytes(count: Digest256.byteCount)) else {
            preconditionFailure("32 bytes were asked for")
        }
        return digest
    }

    /// A seed for the generator of everything that needs no secrecy.
    package static func seed() -> UInt64 {
        Sodium.randomBytes(count: 8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
