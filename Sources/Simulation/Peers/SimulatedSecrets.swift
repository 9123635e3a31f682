import Digest
import PeerLogic
import Records
import Synchronization
import Trust

/// A peer's keys and its unpredictable numbers, all drawn from its part of the seed.
final class SimulatedSecrets: PeerSecrets {
    let signer: any MessageSigner
    let curveKey: CurveKey
    private let generator: Mutex<SeededGenerator>

    init(book: SignatureBook, generator: SeededGenerator) {
        var generator = generator
        signer = book.signer(of: Self.digest(&generator))
        curveKey = CurveKey(Self.digest(&generator))
        self.generator = Mutex(generator)
    }

    func unpredictable() -> Digest256 { generator.withLock { Self.digest(&$0) } }

    static func digest(_ generator: inout SeededGenerator) -> Digest256 {
        Digest256(generator.nextBytes(Digest256.byteCount)) ?? .zero
    }
}

/// The cluster of a run: its root, and the two tokens that its peers and its servers join with.
struct SimulatedCluster {
    /// Wall time at the start of every run, milliseconds since 1970.
    static let epoch: Int64 = 1_700_000_000_000
    private static let year: Int64 = 365 * 24 * 3_600_000

    let id: ClusterID
    private let peers: TokenHolder
    private let servers: TokenHolder

    /// - Throws: `TrustError` when a token doesn't hold, which would be a fault of this type.
    init(book: SignatureBook, seed: UInt64) throws(TrustError) {
        var generator = RandomStreams.generator(seed, .keys)
        let root = ClusterRoot(signer: book.signer(of: SimulatedSecrets.digest(&generator)))
        id = root.anchor.cluster
        peers = try Self.token([.origin, .relay, .reader], root, book.signer(of: SimulatedSecrets.digest(&generator)))
        servers = try Self.token(.all, root, book.signer(of: SimulatedSecrets.digest(&generator)))
    }

    func token(of role: MachineRole) -> TokenHolder { role == .server ? servers : peers }

    private static func token(
        _ roles: Roles, _ root: ClusterRoot, _ delegate: ToySigner
    ) throws(TrustError) -> TokenHolder {
        let grant = root.grant(
            delegatedKey: delegate.publicKey, roles: roles, modelPrefixes: [""],
            certificateLife: ValidityLimits.certificate, notBefore: epoch - year, notAfter: epoch + year)
        return try TokenHolder(anchor: root.anchor, grant: grant, delegate: delegate)
    }
}
