package import Records

/// Why somebody's word is not believed.
package enum TrustError: Error, Hashable, Sendable {
    /// The subject was made for another cluster: another root key.
    case wrongCluster(subject: Subject)
    /// The signature doesn't verify with the key that should have made it.
    case badSignature(subject: Subject)
    /// The certificate names another token than the one it comes with.
    case tokenMismatch
    /// The certificate claims more than its token grants.
    case exceedsToken(claim: String)
    case notYetValid(subject: Subject, notBefore: Int64)
    case expired(subject: Subject, notAfter: Int64)
    /// The certificate's roles or model prefixes don't allow this.
    case notPermitted(role: Roles, model: String)
    /// An introduction that doesn't fit the manifest or its author.
    case introductionMismatch(field: String)
    /// Its own time is not over, and yet it is not to be believed any more.
    case revoked(subject: RevocationSubject, reason: String)
    /// A revocation that its signer may not make.
    case falseRevocation(claim: String)

    package enum Subject: String, Hashable, Sendable {
        case token
        case certificate
        case introduction
        case frame
        case bootstrapAnswer = "bootstrap answer"
        case revocation
        case revocationGrant = "revocation grant"
    }
}

extension TrustError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .wrongCluster(let subject):
            "the \(subject.rawValue) belongs to another cluster; use a token made with this cluster's root key"
        case .badSignature(let subject): "the signature of the \(subject.rawValue) is wrong"
        case .tokenMismatch: "the certificate was not made with the token that it shows"
        case .exceedsToken(let claim): "the certificate claims more than its token grants: \(claim)"
        case .notYetValid(let subject, let notBefore):
            "the \(subject.rawValue) is valid only from \(notBefore) ms since 1970; check the clocks"
        case .expired(let subject, let notAfter):
            "the \(subject.rawValue) expired at \(notAfter) ms since 1970; make a new token with `modelexpress keys token`"
        case .notPermitted(let role, let model):
            "the certificate lacks the role \(role.words.joined(separator: ",")) for model \"\(model)\""
        case .introductionMismatch(let field): "the introduction doesn't fit the content: \(field) differs"
        case .revoked(let subject, let reason):
            "the \(subject.short) is revoked" + (reason.isEmpty ? "" : " (\(reason))")
        case .falseRevocation(let claim): "the revocation is not believed: \(claim)"
        }
    }
}
