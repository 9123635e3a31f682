import Mesh
import Records
import Signing
import Trust

/// Keys of one peer of the load, with a chain for them.
struct LoadIdentity: Sendable {
    let secrets = ProcessSecrets()
    let chain: CertificateChain

    /// - Parameter wall: milliseconds since 1970.
    init(token: TokenHolder, wall: Int64) throws(TrustError) {
        chain = try token.certify(peer: PeerID(secrets.signer.publicKey), curveKey: secrets.curveKey, atWall: wall)
    }

    var peer: PeerID { chain.peer }

    /// A greeting, with a record that nobody can connect back to.
    func hello(sequence: UInt64, wall: Int64, incarnation: UInt64) -> [UInt8] {
        let record = PeerRecord(
            version: Version(incarnation: incarnation, sequence: sequence),
            validity: Validity(issuedAt: wall, term: 8_000), chain: chain, endpoints: Self.nowhere, name: "load",
            zone: "",
            host: "")
        let frame = secrets.signer.frame(record, cluster: chain.certificate.value.cluster).encoded
        return ControlMessage.hello(record: frame).encoded
    }

    static let nowhere = Endpoints(host: "127.0.0.1", bootstrapPort: 0, controlPort: 1, gossipPort: 1)
}

/// Signs in the name of one peer, and believes everybody.
struct LoadAuthority: MeshAuthority {
    let identity: LoadIdentity

    func accepts(_ chain: CertificateChain, now: Moment) -> Bool { true }
    func isAuthentic(_ frame: SignedFrame, by chain: CertificateChain) -> Bool { true }
    func permits(_ announcement: Announcement, by chain: CertificateChain) -> Bool { true }
    func take(revocation bytes: [UInt8], now: Moment) -> RevocationVerdict { .known }
    var revocations: [[UInt8]] { [] }
    var revocationDigest: UInt64 { 0 }

    func frame<Record: SignedRecord>(_ record: Record) -> SignedFrame {
        identity.secrets.signer.frame(record, cluster: identity.chain.certificate.value.cluster)
    }
}
