package import Digest

/// What the root signs for a revocation key: whoever holds its private half may revoke tokens, peers and introductions while the
/// root itself stays locked away.
package struct RevocationGrant: Hashable, Sendable {
    package let cluster: ClusterID
    /// Ed25519 public key that revocations are signed with.
    package let revocationKey: Digest256
    /// Revocations issued in this time hold, milliseconds since 1970.
    package let notBefore: Int64
    package let notAfter: Int64

    package init(cluster: ClusterID, revocationKey: Digest256, notBefore: Int64, notAfter: Int64) {
        self.cluster = cluster
        self.revocationKey = revocationKey
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

extension RevocationGrant: SignedRecord {
    package static var purpose: Purpose { .revocationGrant }

    package func encode(to writer: inout WireWriter) {
        writer.write(cluster)
        writer.write(revocationKey)
        writer.write(notBefore)
        writer.write(notAfter)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        cluster = try reader.readIdentifier("revocation grant cluster")
        revocationKey = try reader.readDigest("revocation key")
        notBefore = try reader.readSigned("revocation grant notBefore")
        notAfter = try reader.readSigned("revocation grant notAfter")
    }
}

/// What is revoked.
package enum RevocationSubject: Hashable, Sendable {
    /// Every certificate made with the token, and every introduction by their peers.
    case token(TokenID)
    /// Every certificate of the peer's key, and every introduction that it signed.
    case peer(PeerID)
    case introduction(IntroductionID)
    /// Everything that the key signed, whenever that was. Only the root may say so.
    case revocationKey(Digest256)

    /// The word that people and machines read.
    package var word: String {
        switch self {
        case .token: "token"
        case .peer: "peer"
        case .introduction: "introduction"
        case .revocationKey: "revocation key"
        }
    }

    package var digest: Digest256 {
        switch self {
        case .token(let id): id.digest
        case .peer(let id): id.digest
        case .introduction(let id): id.digest
        case .revocationKey(let key): key
        }
    }

    /// As logs show it.
    package var short: String { "\(word) \(digest.description.prefix(12))" }

    /// How long after it was issued a revocation may hold, milliseconds: as long as the subject can matter, and no longer,
    /// since every peer keeps it until then.
    package var longestRevocation: Int64 {
        switch self {
        // What a token or peer introduced outlives it.
        case .token, .peer: ValidityLimits.token + ValidityLimits.introduction
        case .introduction: ValidityLimits.introduction
        // What it signed on its last day holds for this much longer.
        case .revocationKey:
            ValidityLimits.revocationKey + ValidityLimits.token + ValidityLimits.introduction
        }
    }
}

extension RevocationSubject: WireCodable {
    package func encode(to writer: inout WireWriter) {
        let kind: UInt8 =
            switch self {
            case .token: 1
            case .peer: 2
            case .introduction: 3
            case .revocationKey: 4
            }
        writer.write(kind)
        writer.write(digest)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        let kind = try reader.read(UInt8.self, "revoked kind")
        let digest = try reader.readDigest("revoked subject")
        switch kind {
        case 1: self = .token(TokenID(digest))
        case 2: self = .peer(PeerID(digest))
        case 3: self = .introduction(IntroductionID(digest))
        case 4: self = .revocationKey(digest)
        default: throw .unknownValue(field: "revoked kind", value: UInt64(kind))
        }
    }
}

/// The word that something is not to be believed any more, though its own time is not over. Times are milliseconds since 1970.
package struct Revocation: Hashable, Sendable {
    package let cluster: ClusterID
    package let subject: RevocationSubject
    /// From when on it holds: a planned one is known everywhere before it does.
    package let notBefore: Int64
    /// The revoked thing's own end: from then on nobody needs to keep this.
    package let until: Int64
    package let issuedAt: Int64
    /// For people.
    package let reason: String

    package init(
        cluster: ClusterID, subject: RevocationSubject, notBefore: Int64, until: Int64, issuedAt: Int64, reason: String
    ) {
        self.cluster = cluster
        self.subject = subject
        self.notBefore = notBefore
        self.until = until
        self.issuedAt = issuedAt
        self.reason = reason
    }

    package func holds(atWall wall: Int64) -> Bool { notBefore <= wall && wall < until }
}

extension Revocation: SignedRecord {
    package static var purpose: Purpose { .revocation }

    package func encode(to writer: inout WireWriter) {
        writer.write(cluster)
        subject.encode(to: &writer)
        writer.write(notBefore)
        writer.write(until)
        writer.write(issuedAt)
        writer.write(reason)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        cluster = try reader.readIdentifier("revocation cluster")
        subject = try RevocationSubject(from: &reader)
        notBefore = try reader.readSigned("revocation notBefore")
        until = try reader.readSigned("revocation until")
        issuedAt = try reader.readSigned("revocation issued at")
        reason = try reader.readString("revocation reason", limit: WireLimits.revocationReason)
    }
}
