import Digest
import Records

/// By which rules a notice is believed.
struct RevocationRules {
    let anchor: TrustAnchor
    let verifier: any SignatureVerifier

    /// Checks signatures, grant and bounds. Whether the signer was revoked is the list's to say.
    ///
    /// - Parameter knownGrant: one that was verified before.
    func check(_ notice: RevocationNotice, knownGrant: SignedPayload<RevocationGrant>?) throws(TrustError) {
        let revocation = notice.revocation.value
        guard revocation.cluster == anchor.cluster else { throw .wrongCluster(subject: .revocation) }
        guard revocation.subject != .revocationKey(anchor.rootKey) else {
            throw .falseRevocation(claim: "a root can't be revoked; make a new cluster")
        }
        try checkTimes(revocation)
        guard let grant = notice.grant else {
            return try checkSignature(notice.revocation, by: anchor.rootKey, .revocation)
        }
        if case .revocationKey = revocation.subject {
            throw .falseRevocation(claim: "only the root may revoke a revocation key")
        }
        try check(grant, covers: revocation, isKnown: grant == knownGrant)
        try checkSignature(notice.revocation, by: grant.value.revocationKey, .revocation)
    }

    /// A grant is judged at the time of the revocation: what a key revoked stays revoked after the key's own end.
    private func check(
        _ signed: SignedPayload<RevocationGrant>, covers revocation: Revocation, isKnown: Bool
    ) throws(TrustError) {
        let grant = signed.value
        guard grant.cluster == anchor.cluster else { throw .wrongCluster(subject: .revocationGrant) }
        // The root's own signatures must not be open to whoever is granted its key.
        guard grant.revocationKey != anchor.rootKey else {
            throw .falseRevocation(claim: "the root needs no grant")
        }
        let (life, overflow) = grant.notAfter.subtractingReportingOverflow(grant.notBefore)
        guard !overflow, life <= ValidityLimits.revocationKey else {
            throw .falseRevocation(claim: "its key's life is longer than a revocation key may live")
        }
        guard grant.notBefore <= revocation.issuedAt, revocation.issuedAt < grant.notAfter else {
            throw .falseRevocation(claim: "it was issued outside the life of its key")
        }
        if !isKnown { try checkSignature(signed, by: anchor.rootKey, .revocationGrant) }
    }

    private func checkTimes(_ revocation: Revocation) throws(TrustError) {
        guard revocation.notBefore < revocation.until else {
            throw .falseRevocation(claim: "it ends before it begins")
        }
        let (life, overflow) = revocation.until.subtractingReportingOverflow(revocation.issuedAt)
        guard !overflow, life <= revocation.subject.longestRevocation else {
            throw .falseRevocation(claim: "it would hold for longer than its subject can live")
        }
    }

    private func checkSignature<Value>(
        _ signed: SignedPayload<Value>, by key: Digest256, _ subject: TrustError.Subject
    ) throws(TrustError) {
        guard verifier.isValid(signed.signature, of: signed.signingBytes(cluster: anchor.cluster), by: key) else {
            throw .badSignature(subject: subject)
        }
    }
}
