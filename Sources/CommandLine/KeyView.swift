import Configuration
import Digest
import LocalAPI
import Records
import Trust

/// One key, token or revocation, as `--json` tells it: never its secret. Names are snake_case in JSON; the shape is only added to.
/// Times are milliseconds since 1970.
struct KeyView: Codable, Hashable, Sendable {
    /// `root key`, `public key`, `token`, `revocation key` or `revocation`.
    var kind: String
    var cluster: String
    var file: String?
    /// A token's id, a revocation key's public half, or a revocation's own id.
    var id: String?
    var roles: [String]?
    var modelPrefixes: [String]?
    var certificateLifeSeconds: Double?
    /// Peers of the token in one view; 0 is no limit.
    var peers: Int?
    var notBefore: Int64?
    var notAfter: Int64?
    /// What a revocation revokes: `token`, `peer`, `introduction` or `revocation key`.
    var revokedKind: String?
    var revokedID: String?
    var issuedAt: Int64?
    var reason: String?
    /// The revocation key that signed it; the root when there is none.
    var signer: String?

    init(_ anchor: TrustAnchor, kind: String = "root key", file: String?) {
        self.kind = kind
        cluster = anchor.cluster.description
        self.file = file
    }

    init(_ grant: TokenGrant, file: String?) {
        kind = "token"
        cluster = grant.cluster.description
        self.file = file
        id = grant.id.description
        roles = grant.roles.words
        modelPrefixes = grant.modelPrefixes
        certificateLifeSeconds = Double(grant.certificateLife) / 1000
        peers = Int(grant.peers)
        notBefore = grant.notBefore
        notAfter = grant.notAfter
    }

    init(_ grant: RevocationGrant, file: String?) {
        kind = "revocation key"
        cluster = grant.cluster.description
        self.file = file
        id = grant.revocationKey.description
        notBefore = grant.notBefore
        notAfter = grant.notAfter
    }

    init(_ issuer: RevocationIssuer, file: String?) {
        if let grant = issuer.grant?.value {
            self.init(grant, file: file)
        } else {
            self.init(issuer.anchor, file: file)
        }
    }

    init(_ notice: RevocationNotice, file: String?) {
        let revocation = notice.revocation.value
        kind = "revocation"
        cluster = revocation.cluster.description
        self.file = file
        id = notice.id.description
        notBefore = revocation.notBefore
        notAfter = revocation.until
        revokedKind = revocation.subject.word
        revokedID = revocation.subject.digest.description
        issuedAt = revocation.issuedAt
        reason = revocation.reason
        signer = notice.grant?.value.revocationKey.description
    }
}
