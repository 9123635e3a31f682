package import Digest
package import Records

/// Who may revoke: the root itself, or a revocation key with the root's grant.
package struct RevocationIssuer: Sendable {
    package let anchor: TrustAnchor
    /// Nil for the root.
    package let grant: SignedPayload<RevocationGrant>?
    private let signer: any MessageSigner

    /// `signer` holds the private half of the granted key; anything else is refused.
    package init(
        anchor: TrustAnchor, grant: SignedPayload<RevocationGrant>, signer: any MessageSigner
    ) throws(TrustError) {
        guard grant.value.cluster == anchor.cluster else { throw .wrongCluster(subject: .revocationGrant) }
        guard signer.publicKey == grant.value.revocationKey else {
            throw .falseRevocation(claim: "the grant is for another key")
        }
        self.init(anchor, grant, signer)
    }

    fileprivate init(
        _ anchor: TrustAnchor, _ grant: SignedPayload<RevocationGrant>?, _ signer: any MessageSigner
    ) {
        self.anchor = anchor
        self.grant = grant
        self.signer = signer
    }

    /// Revokes the subject from `notBefore` to `until`. Times are milliseconds since 1970.
    package func revoke(
        _ subject: RevocationSubject, notBefore: Int64, until: Int64, issuedAt: Int64, reason: String
    ) -> RevocationNotice {
        let revocation = Revocation(
            cluster: anchor.cluster, subject: subject, notBefore: notBefore, until: until, issuedAt: issuedAt,
            reason: reason)
        return RevocationNotice(grant: grant, revocation: signer.sign(revocation, cluster: anchor.cluster))
    }
}

extension ClusterRoot {
    /// The root as it revokes by itself.
    package var revocationIssuer: RevocationIssuer { RevocationIssuer(anchor, nil, signer) }

    /// Lets the holder of `revocationKey` revoke for a while. Times are milliseconds since 1970.
    package func grant(
        revocationKey: Digest256, notBefore: Int64, notAfter: Int64
    ) -> SignedPayload<RevocationGrant> {
        signer.sign(
            RevocationGrant(
                cluster: anchor.cluster, revocationKey: revocationKey, notBefore: notBefore, notAfter: notAfter),
            cluster: anchor.cluster)
    }
}
