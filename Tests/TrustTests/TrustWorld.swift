import Digest
import Records
import Trust

/// A cluster with a root, a token and a peer, and makers of chains that are wrong in one way each.
struct TrustWorld {
    static let now: Int64 = 1_700_000_000_000
    static let hour: Int64 = 3_600_000
    static let day = 24 * hour

    let root = ToySigner("root")
    let otherRoot = ToySigner("other root")
    let delegate = ToySigner("delegate")
    let otherDelegate = ToySigner("other delegate")
    let peer = ToySigner("peer")
    let revoker = ToySigner("revoker")
    let otherRevoker = ToySigner("other revoker")
    let curveKey = CurveKey(SHA256.digest(Array("curve".utf8)))

    var anchor: TrustAnchor { TrustAnchor(rootKey: root.publicKey) }
    var cluster: ClusterID { anchor.cluster }
    var verifier: ToyVerifier {
        ToyVerifier([root, otherRoot, delegate, otherDelegate, peer, revoker, otherRevoker])
    }
    var rules: TrustRules { TrustRules(anchor: anchor, verifier: verifier) }

    func grant(
        roles: Roles = .all, prefixes: [String] = [""], life: Int64 = day, notBefore: Int64 = now - day,
        notAfter: Int64 = now + 7 * day
    ) -> SignedPayload<TokenGrant> {
        ClusterRoot(signer: root).grant(
            delegatedKey: delegate.publicKey, roles: roles, modelPrefixes: prefixes, certificateLife: life,
            notBefore: notBefore, notAfter: notAfter)
    }

    /// A chain as a holder would make it who doesn't keep to the token: every claim of the certificate can be chosen.
    func chain(
        _ grant: SignedPayload<TokenGrant>, roles: Roles? = nil, token: TokenID? = nil, cluster: ClusterID? = nil,
        notBefore: Int64 = now, notAfter: Int64 = now + day, signer: ToySigner? = nil
    ) -> CertificateChain {
        let certificate = Certificate(
            cluster: cluster ?? self.cluster, token: token ?? grant.value.id, peer: PeerID(peer.publicKey),
            curveKey: curveKey, roles: roles ?? grant.value.roles, notBefore: notBefore, notAfter: notAfter)
        return CertificateChain(
            grant: grant, certificate: (signer ?? delegate).sign(certificate, cluster: self.cluster))
    }

    let identity = SourceIdentity(model: "org/model", revision: "main", stage: .files)
    let manifest = ManifestID(SHA256.digest([1]))

    func introduction(
        token: TokenID, manifest: ManifestID? = nil, identity: SourceIdentity? = nil, rank: UInt32 = 0,
        notBefore: Int64 = now, notAfter: Int64 = now + ValidityLimits.introduction
    ) -> Introduction {
        let identity = identity ?? self.identity
        return Introduction(
            source: identity.id, model: identity.model, stage: identity.stage, rank: rank,
            manifest: manifest ?? self.manifest, notBefore: notBefore, notAfter: notAfter, token: token)
    }

    func proof(_ introduction: Introduction, by chain: CertificateChain, signer: ToySigner? = nil) -> IntroductionProof
    {
        IntroductionProof(introduction: (signer ?? peer).sign(introduction, cluster: cluster), author: chain)
    }

    func revocationGrant(
        key: ToySigner? = nil, cluster: ClusterID? = nil, notBefore: Int64 = now - day, notAfter: Int64 = now + day,
        by root: ToySigner? = nil
    ) -> SignedPayload<RevocationGrant> {
        (root ?? self.root).sign(
            RevocationGrant(
                cluster: cluster ?? self.cluster, revocationKey: (key ?? revoker).publicKey, notBefore: notBefore,
                notAfter: notAfter),
            cluster: self.cluster)
    }

    /// A notice by a revocation key with its grant, or by the root (this one or another) without.
    func notice(
        _ subject: RevocationSubject, by signer: ToySigner? = nil, cluster: ClusterID? = nil, notBefore: Int64 = now,
        until: Int64 = now + day, issuedAt: Int64 = now, grant: SignedPayload<RevocationGrant>? = nil
    ) -> RevocationNotice {
        let signer = signer ?? revoker
        let isGranted = [revoker.publicKey, otherRevoker.publicKey].contains(signer.publicKey)
        let revocation = Revocation(
            cluster: cluster ?? self.cluster, subject: subject, notBefore: notBefore, until: until, issuedAt: issuedAt,
            reason: "test")
        return RevocationNotice(
            grant: grant ?? (isGranted ? revocationGrant(key: signer) : nil),
            revocation: signer.sign(revocation, cluster: self.cluster))
    }
}
