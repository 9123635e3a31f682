import Digest
import PeerLogic
import Records
import Synchronization
import Trust

/// Signatures that prove nothing outside a test: BLAKE2b of (public key, message), twice. Fast, and the same everywhere.
struct VirtualSigner: MessageSigner {
    let publicKey: Digest256

    init(_ name: String) { publicKey = BLAKE2b.digest(Array("key of \(name)".utf8)) }

    func sign(_ message: [UInt8]) -> Signature { Self.signature(of: message, by: publicKey) }

    static func signature(of message: [UInt8], by key: Digest256) -> Signature {
        let digest = BLAKE2b.digest(key.bytes + message).bytes
        guard let signature = Signature(digest + digest) else { preconditionFailure("two digests are 64 bytes") }
        return signature
    }
}

struct VirtualVerifier: SignatureVerifier {
    func isValid(_ signature: Signature, of message: [UInt8], by key: Digest256) -> Bool {
        signature == VirtualSigner.signature(of: message, by: key)
    }
}

/// A peer's keys, and numbers that are unpredictable to nobody who knows its name.
final class VirtualSecrets: PeerSecrets {
    let signer: any MessageSigner
    let curveKey: CurveKey
    private let name: String
    private let drawn = Mutex(0)

    init(_ name: String) {
        self.name = name
        signer = VirtualSigner(name)
        curveKey = CurveKey(BLAKE2b.digest(Array("curve key of \(name)".utf8)))
    }

    func unpredictable() -> Digest256 {
        let number = drawn.withLock { count in
            count += 1
            return count
        }
        return BLAKE2b.digest(Array("\(name) \(number)".utf8))
    }
}

/// The root of a virtual cluster and the tokens that it gives out.
struct VirtualCluster {
    static let epoch: Int64 = 1_700_000_000_000
    private static let year: Int64 = 365 * 24 * 3_600_000
    let root = ClusterRoot(signer: VirtualSigner("root"))

    func token(
        roles: Roles = [.origin, .relay, .reader], prefixes: [String] = [""], certificateLife: Int64 = 24 * 3_600_000
    ) throws -> TokenHolder {
        let delegate = VirtualSigner("delegate \(roles.rawValue) \(prefixes)")
        let grant = root.grant(
            delegatedKey: delegate.publicKey, roles: roles, modelPrefixes: prefixes, certificateLife: certificateLife,
            notBefore: Self.epoch - Self.year, notAfter: Self.epoch + Self.year)
        return try TokenHolder(anchor: root.anchor, grant: grant, delegate: delegate)
    }
}
