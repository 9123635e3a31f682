package import Records

/// What was revoked, as the rules ask for it.
extension TrustRules {
    /// Takes in a notice that came from a file or from another peer.
    ///
    /// - Returns: whether it is new here. One that has ended, or that ends sooner than all of a full share, is not.
    /// - Throws: when its signer may not say this.
    package mutating func insert(_ notice: RevocationNotice, atWall wall: Int64) throws(TrustError) -> Bool {
        try revocations.insert(notice, anchor: anchor, verifier: verifier, atWall: wall)
    }

    /// Drops the revocations that have ended, since what they named has ended too.
    package mutating func expireRevocations(atWall wall: Int64) { revocations.expire(atWall: wall) }

    package func isRevoked(_ chain: CertificateChain, atWall wall: Int64) -> Bool {
        guard !revocations.isEmpty else { return false }
        return Self.subjects(of: chain).contains { revocations.revocation(of: $0, atWall: wall) != nil }
    }

    package func isRevoked(_ proof: IntroductionProof, atWall wall: Int64) -> Bool {
        guard !revocations.isEmpty else { return false }
        return Self.subjects(of: proof).contains { revocations.revocation(of: $0, atWall: wall) != nil }
    }

    /// Whether the chain is revoked or will be: time to work with another.
    package func willBeRevoked(_ chain: CertificateChain) -> Bool {
        guard !revocations.isEmpty else { return false }
        return Self.subjects(of: chain).contains(where: revocations.names)
    }

    package func willBeRevoked(_ proof: IntroductionProof) -> Bool {
        guard !revocations.isEmpty else { return false }
        return Self.subjects(of: proof).contains(where: revocations.names)
    }

    func checkRevocation(of chain: CertificateChain, atWall wall: Int64) throws(TrustError) {
        guard !revocations.isEmpty else { return }
        for subject in Self.subjects(of: chain) { try checkRevocation(of: subject, wall) }
    }

    func checkRevocation(of proof: IntroductionProof, atWall wall: Int64) throws(TrustError) {
        guard !revocations.isEmpty else { return }
        for subject in Self.subjects(of: proof) { try checkRevocation(of: subject, wall) }
    }

    private func checkRevocation(of subject: RevocationSubject, _ wall: Int64) throws(TrustError) {
        guard let revocation = revocations.revocation(of: subject, atWall: wall) else { return }
        throw .revoked(subject: subject, reason: revocation.reason)
    }

    /// By the token's name in the certificate: a certificate that names another than its own is refused anyway.
    private static func subjects(of chain: CertificateChain) -> [RevocationSubject] {
        [.token(chain.certificate.value.token), .peer(chain.peer)]
    }

    private static func subjects(of proof: IntroductionProof) -> [RevocationSubject] {
        subjects(of: proof.author) + [.introduction(proof.introduction.value.id)]
    }
}
