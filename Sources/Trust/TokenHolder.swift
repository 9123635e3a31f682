package import Digest
package import Records

/// A token with its delegated key: what makes certificates within the token's limits.
package struct TokenHolder: Sendable {
    package let anchor: TrustAnchor
    package let grant: SignedPayload<TokenGrant>
    private let delegate: any MessageSigner

    /// `delegate` holds the private half of the grant's delegated key; anything else is refused.
    package init(
        anchor: TrustAnchor, grant: SignedPayload<TokenGrant>, delegate: any MessageSigner
    ) throws(TrustError) {
        guard grant.value.cluster == anchor.cluster else { throw .wrongCluster(subject: .token) }
        guard delegate.publicKey == grant.value.delegatedKey else { throw .tokenMismatch }
        self.anchor = anchor
        self.grant = grant
        self.delegate = delegate
    }

    /// Certifies a peer for as long as the token allows, beginning at `wall`.
    ///
    /// - Throws: `notYetValid` or `expired` when the token itself doesn't hold at `wall`.
    package func certify(peer: PeerID, curveKey: CurveKey, atWall wall: Int64) throws(TrustError) -> CertificateChain {
        let limits = grant.value
        guard wall < limits.notAfter else { throw .expired(subject: .token, notAfter: limits.notAfter) }
        guard limits.notBefore <= wall + ValidityLimits.skew else {
            throw .notYetValid(subject: .token, notBefore: limits.notBefore)
        }
        let life = min(limits.certificateLife, ValidityLimits.certificate)
        let notBefore = max(limits.notBefore, wall)
        let certificate = Certificate(
            cluster: anchor.cluster, token: limits.id, peer: peer, curveKey: curveKey, roles: limits.roles,
            notBefore: notBefore, notAfter: min(notBefore + life, limits.notAfter))
        return CertificateChain(grant: grant, certificate: delegate.sign(certificate, cluster: anchor.cluster))
    }
}

/// A cluster's root key, with which tokens are made.
package struct ClusterRoot: Sendable {
    package let anchor: TrustAnchor
    let signer: any MessageSigner

    package init(signer: any MessageSigner) {
        anchor = TrustAnchor(rootKey: signer.publicKey)
        self.signer = signer
    }

    /// Grants a token to the holder of `delegatedKey`.
    ///
    /// - Parameters: lives and times are milliseconds; `notAfter` is the token's own end. `peers` is how many of its peers a view
    ///   keeps, 0 for no limit.
    package func grant(
        delegatedKey: Digest256, roles: Roles, modelPrefixes: [String], certificateLife: Int64, peers: UInt32 = 0,
        notBefore: Int64, notAfter: Int64
    ) -> SignedPayload<TokenGrant> {
        signer.sign(
            TokenGrant(
                cluster: anchor.cluster, delegatedKey: delegatedKey, roles: roles, modelPrefixes: modelPrefixes,
                certificateLife: certificateLife, longestTerm: ValidityLimits.term, peers: peers,
                notBefore: notBefore, notAfter: notAfter),
            cluster: anchor.cluster)
    }
}
