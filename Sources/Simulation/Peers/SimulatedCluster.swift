import Digest
import Records
import Trust

/// The cluster of a run: its root, the tokens that its peers and its servers join with, and the key that revokes.
struct SimulatedCluster {
    /// Wall time at the start of every run, milliseconds since 1970.
    static let epoch: Int64 = 1_700_000_000_000
    private static let year: Int64 = 365 * 24 * 3_600_000

    let id: ClusterID
    private let root: ClusterRoot
    private let book: SignatureBook
    private let certificateLife: Int64
    private var generator: SeededGenerator
    private var peers: TokenHolder
    private let servers: TokenHolder
    let revocations: RevocationIssuer

    /// `certificateLife` is milliseconds.
    ///
    /// - Throws: `TrustError` when a token doesn't hold, which would be a fault of this type.
    init(book: SignatureBook, seed: UInt64, certificateLife: Int64) throws(TrustError) {
        var generator = RandomStreams.generator(seed, .keys)
        self.book = book
        self.certificateLife = certificateLife
        root = ClusterRoot(signer: book.signer(of: SimulatedSecrets.digest(&generator)))
        id = root.anchor.cluster
        let roots = (root, book, certificateLife)
        peers = try Self.token(Self.ofPeers, roots, &generator, until: Self.epoch + Self.year)
        servers = try Self.token(.all, roots, &generator, until: Self.epoch + Self.year)
        let key = book.signer(of: SimulatedSecrets.digest(&generator))
        let grant = root.grant(
            revocationKey: key.publicKey, notBefore: Self.epoch - Self.year, notAfter: Self.epoch + Self.year)
        revocations = try RevocationIssuer(anchor: root.anchor, grant: grant, signer: key)
        self.generator = generator
    }

    /// What a process joins with that starts now.
    func token(of role: MachineRole) -> TokenHolder { role == .server ? servers : peers }

    /// A token of a peer that ends then, milliseconds since 1970.
    mutating func token(until end: Int64) throws(TrustError) -> TokenHolder {
        try Self.token(Self.ofPeers, (root, book, certificateLife), &generator, until: end)
    }

    /// Peers join with a new token from now on; gives the old one's name.
    mutating func rotate() throws(TrustError) -> TokenID {
        let old = peers.grant.value.id
        peers = try token(until: Self.epoch + Self.year)
        return old
    }

    /// Revokes from then on, milliseconds since 1970, for as long as it could matter.
    func revoke(_ subject: RevocationSubject, from notBefore: Int64, atWall wall: Int64) -> RevocationNotice {
        revocations.revoke(
            subject, notBefore: notBefore, until: Self.epoch + Self.year, issuedAt: wall,
            reason: "a step of a scenario")
    }

    private static let ofPeers: Roles = [.origin, .relay, .reader]

    private static func token(
        _ roles: Roles, _ roots: (root: ClusterRoot, book: SignatureBook, certificateLife: Int64),
        _ generator: inout SeededGenerator, until end: Int64
    ) throws(TrustError) -> TokenHolder {
        let delegate = roots.book.signer(of: SimulatedSecrets.digest(&generator))
        let grant = roots.root.grant(
            delegatedKey: delegate.publicKey, roles: roles, modelPrefixes: [""],
            certificateLife: roots.certificateLife, notBefore: epoch - year, notAfter: end)
        return try TokenHolder(anchor: roots.root.anchor, grant: grant, delegate: delegate)
    }
}
