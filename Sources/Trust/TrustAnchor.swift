package import Digest
package import Records

/// What a peer believes without proof: its cluster's root public key.
package struct TrustAnchor: Hashable, Sendable {
    /// Ed25519 public key.
    package let rootKey: Digest256
    package let cluster: ClusterID

    package init(rootKey: Digest256) {
        self.rootKey = rootKey
        cluster = ClusterID(BLAKE2b.digest(rootKey.bytes))
    }
}

/// The rules by which chains, frames and introductions are believed, and what has been revoked. Verified chains are remembered
/// by their digests, so that each costs its two signatures once; a memory never hides a revocation, which is asked for first.
package struct TrustRules: Sendable {
    /// Chains remembered at least. A full memory becomes the old one, and the old one is forgotten, which costs the signatures
    /// of what was in it once more.
    package static let rememberedChains = 16_384

    package let anchor: TrustAnchor
    package internal(set) var revocations = RevocationList()
    let verifier: any SignatureVerifier
    private var verified: Set<Digest256> = []
    private var verifiedBefore: Set<Digest256> = []

    package init(anchor: TrustAnchor, verifier: any SignatureVerifier) {
        self.anchor = anchor
        self.verifier = verifier
    }

    /// Checks root, token and certificate, and that neither token nor peer is revoked, as of `wall` (milliseconds since 1970).
    package mutating func check(_ chain: CertificateChain, atWall wall: Int64) throws(TrustError) {
        try check(chain, atWall: wall, revokedAtWall: wall)
    }

    private mutating func check(
        _ chain: CertificateChain, atWall wall: Int64, revokedAtWall: Int64
    ) throws(TrustError) {
        let grant = chain.grant.value
        let certificate = chain.certificate.value
        try checkTime(.token, from: grant.notBefore, to: grant.notAfter, at: wall)
        try checkTime(.certificate, from: certificate.notBefore, to: certificate.notAfter, at: wall)
        try checkRevocation(of: chain, atWall: revokedAtWall)
        guard !verified.contains(chain.digest), !verifiedBefore.contains(chain.digest) else { return }
        try checkLimits(grant, certificate)
        try checkSignature(chain.grant, by: anchor.rootKey, .token)
        try checkSignature(chain.certificate, by: grant.delegatedKey, .certificate)
        if verified.count >= Self.rememberedChains {
            verifiedBefore = verified
            verified = []
        }
        verified.insert(chain.digest)
    }

    /// Remembers the chains that other rules of the same cluster have checked, in place of its own memory.
    package mutating func remember(checkedBy other: TrustRules) {
        guard other.anchor == anchor else { return }
        verifiedBefore = other.verified
        verified = []
    }

    /// Checks that `frame` was signed by the peer of `chain`, which must have been checked.
    package func check(_ frame: SignedFrame, by chain: CertificateChain) throws(TrustError) {
        guard frame.author == chain.peer else { throw .badSignature(subject: .frame) }
        let message = frame.signingBytes(cluster: anchor.cluster)
        guard verifier.isValid(frame.signature, of: message, by: chain.peer.digest) else {
            throw .badSignature(subject: .frame)
        }
    }

    /// Checks a bootstrap answer, chain included. The caller compares the nonce.
    package mutating func check(
        _ answer: SignedPayload<BootstrapAnswer>, atWall wall: Int64
    ) throws(TrustError) {
        try check(answer.value.chain, atWall: wall)
        try checkSignature(answer, by: answer.value.chain.peer.digest, .bootstrapAnswer)
    }

    /// Whether the holder of a checked chain may act in `role` for `model`.
    package static func permits(_ chain: CertificateChain, _ role: Roles, model: String) -> Bool {
        chain.certificate.value.roles.contains(role) && chain.grant.value.covers(model: model)
    }

    package static func require(
        _ chain: CertificateChain, _ role: Roles, model: String
    ) throws(TrustError) {
        guard permits(chain, role, model: model) else { throw .notPermitted(role: role, model: model) }
    }

    /// Checks that `proof` introduces `manifest` as the content of `identity` and `rank`. The author's chain is judged at the
    /// introduction's own notBefore: an introduction outlives its author's certificate. Revocations are judged at `wall`: when the
    /// author's token or key is revoked, what it introduced before is not believed any more either.
    package mutating func check(
        _ proof: IntroductionProof, introduces manifest: ManifestID, of identity: SourceIdentity, rank: UInt32,
        atWall wall: Int64
    ) throws(TrustError) {
        let introduction = proof.introduction.value
        guard introduction.manifest == manifest else { throw .introductionMismatch(field: "manifest") }
        guard introduction.source == identity.id, introduction.model == identity.model else {
            throw .introductionMismatch(field: "source identity")
        }
        guard introduction.stage == identity.stage else { throw .introductionMismatch(field: "stage") }
        guard introduction.rank == rank else { throw .introductionMismatch(field: "rank") }
        guard introduction.token == proof.author.grant.value.id else { throw .introductionMismatch(field: "token") }
        let (life, overflow) = introduction.notAfter.subtractingReportingOverflow(introduction.notBefore)
        guard !overflow, life <= ValidityLimits.introduction else {
            throw .introductionMismatch(field: "life of more than 30 days")
        }
        try checkTime(.introduction, from: introduction.notBefore, to: introduction.notAfter, at: wall)
        try checkRevocation(of: proof, atWall: wall)
        try check(proof.author, atWall: introduction.notBefore, revokedAtWall: wall)
        try Self.require(proof.author, .origin, model: identity.model)
        try checkSignature(proof.introduction, by: proof.author.peer.digest, .introduction)
    }

    private func checkLimits(_ grant: TokenGrant, _ certificate: Certificate) throws(TrustError) {
        guard grant.cluster == anchor.cluster else { throw .wrongCluster(subject: .token) }
        guard certificate.cluster == anchor.cluster else { throw .wrongCluster(subject: .certificate) }
        guard certificate.token == grant.id else { throw .tokenMismatch }
        guard grant.roles.isSuperset(of: certificate.roles) else { throw .exceedsToken(claim: "roles") }
        let (life, overflow) = certificate.notAfter.subtractingReportingOverflow(certificate.notBefore)
        guard !overflow, life <= min(grant.certificateLife, ValidityLimits.certificate) else {
            throw .exceedsToken(claim: "life")
        }
        guard certificate.notAfter <= grant.notAfter, certificate.notBefore >= grant.notBefore else {
            throw .exceedsToken(claim: "validity")
        }
    }

    private func checkTime(
        _ subject: TrustError.Subject, from notBefore: Int64, to notAfter: Int64, at wall: Int64
    ) throws(TrustError) {
        guard notBefore <= wall + ValidityLimits.skew else {
            throw .notYetValid(subject: subject, notBefore: notBefore)
        }
        guard wall < notAfter else { throw .expired(subject: subject, notAfter: notAfter) }
    }

    private func checkSignature<Value>(
        _ signed: SignedPayload<Value>, by key: Digest256, _ subject: TrustError.Subject
    ) throws(TrustError) {
        guard verifier.isValid(signed.signature, of: signed.signingBytes(cluster: anchor.cluster), by: key) else {
            throw .badSignature(subject: subject)
        }
    }
}
