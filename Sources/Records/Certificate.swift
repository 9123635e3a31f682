package import Digest

/// What a peer may do, each for the model prefixes of its token.
package struct Roles: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// May introduce a manifest.
    package static let origin = Roles(rawValue: 1)
    /// May pass on what was introduced.
    package static let relay = Roles(rawValue: 2)
    /// May read.
    package static let reader = Roles(rawValue: 4)
    /// Keeps the snapshot.
    package static let server = Roles(rawValue: 8)
    package static let all: Roles = [.origin, .relay, .reader, .server]

    private static let names: [(Roles, String)] = [
        (.origin, "origin"), (.relay, "relay"), (.reader, "reader"), (.server, "server"),
    ]

    /// The words that people write and read, in a fixed order.
    package var words: [String] { Self.names.filter { contains($0.0) }.map(\.1) }

    /// Nil for a word that is no role.
    package init?(word: some StringProtocol) {
        guard let match = Self.names.first(where: { $0.1 == word }) else { return nil }
        self = match.0
    }
}

/// What the root signs into a token: a delegated key and the limits within which its holder may certify peers.
package struct TokenGrant: Hashable, Sendable {
    package let cluster: ClusterID
    /// Ed25519 public key that certificates made with this token are signed with.
    package let delegatedKey: Digest256
    package let roles: Roles
    /// A peer may act for models whose names begin with one of these; "" is every model.
    package let modelPrefixes: [String]
    /// Longest life of a certificate, milliseconds.
    package let certificateLife: Int64
    /// Longest term of a record, milliseconds.
    package let longestTerm: Int64
    /// How many peers of this token a view keeps at most; 0 is no limit.
    package let peers: UInt32
    package let notBefore: Int64
    package let notAfter: Int64

    package init(
        cluster: ClusterID, delegatedKey: Digest256, roles: Roles, modelPrefixes: [String], certificateLife: Int64,
        longestTerm: Int64, peers: UInt32 = 0, notBefore: Int64, notAfter: Int64
    ) {
        self.cluster = cluster
        self.delegatedKey = delegatedKey
        self.roles = roles
        self.modelPrefixes = modelPrefixes
        self.certificateLife = certificateLife
        self.longestTerm = longestTerm
        self.peers = peers
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    package var id: TokenID { TokenID(BLAKE2b.digest(encoded)) }

    package func covers(model: String) -> Bool {
        modelPrefixes.contains { model.utf8.starts(with: $0.utf8) }
    }
}

extension TokenGrant: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(cluster)
        writer.write(delegatedKey)
        writer.write(roles.rawValue)
        writer.write(modelPrefixes) { $0.write($1) }
        writer.write(certificateLife)
        writer.write(longestTerm)
        writer.write(peers)
        writer.write(notBefore)
        writer.write(notAfter)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        cluster = try reader.readIdentifier("token cluster")
        delegatedKey = try reader.readDigest("delegated key")
        roles = Roles(rawValue: try reader.read("token roles"))
        modelPrefixes = try reader.readArray("model prefixes", limit: WireLimits.modelPrefixes) {
            (reader) throws(WireError) in try reader.readString("model prefix", limit: WireLimits.name)
        }
        certificateLife = try reader.readSigned("certificate life")
        longestTerm = try reader.readSigned("longest term")
        peers = try reader.read("token peers")
        notBefore = try reader.readSigned("token notBefore")
        notAfter = try reader.readSigned("token notAfter")
    }
}

/// What a peer says of itself with a token's delegated key: its own keys, for a while.
package struct Certificate: Hashable, Sendable {
    package let cluster: ClusterID
    package let token: TokenID
    package let peer: PeerID
    package let curveKey: CurveKey
    package let roles: Roles
    package let notBefore: Int64
    package let notAfter: Int64

    package init(
        cluster: ClusterID, token: TokenID, peer: PeerID, curveKey: CurveKey, roles: Roles, notBefore: Int64,
        notAfter: Int64
    ) {
        self.cluster = cluster
        self.token = token
        self.peer = peer
        self.curveKey = curveKey
        self.roles = roles
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

extension Certificate: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(cluster)
        writer.write(token)
        writer.write(peer)
        writer.write(curveKey)
        writer.write(roles.rawValue)
        writer.write(notBefore)
        writer.write(notAfter)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        cluster = try reader.readIdentifier("certificate cluster")
        token = try reader.readIdentifier("certificate token")
        peer = try reader.readIdentifier("certificate peer")
        curveKey = try reader.readIdentifier("certificate curve key")
        roles = Roles(rawValue: try reader.read("certificate roles"))
        notBefore = try reader.readSigned("certificate notBefore")
        notAfter = try reader.readSigned("certificate notAfter")
    }
}

/// Root, token, certificate: what anybody checks offline with the root's public key.
package struct CertificateChain: Hashable, Sendable {
    /// One object, since chains are handed on far more often than they are made.
    private final class Links: Sendable {
        let grant: SignedPayload<TokenGrant>
        let certificate: SignedPayload<Certificate>

        init(_ grant: SignedPayload<TokenGrant>, _ certificate: SignedPayload<Certificate>) {
            self.grant = grant
            self.certificate = certificate
        }
    }

    private let links: Links
    package var grant: SignedPayload<TokenGrant> { links.grant }
    package var certificate: SignedPayload<Certificate> { links.certificate }
    /// Names the chain, signatures included. Made once: chains are judged far more often than they are read.
    package let digest: Digest256

    package init(grant: SignedPayload<TokenGrant>, certificate: SignedPayload<Certificate>) {
        links = Links(grant, certificate)
        var writer = WireWriter()
        grant.encode(to: &writer)
        certificate.encode(to: &writer)
        digest = BLAKE2b.digest(writer.bytes)
    }

    package var peer: PeerID { links.certificate.value.peer }

    package static func == (left: Self, right: Self) -> Bool {
        left.links === right.links || left.grant == right.grant && left.certificate == right.certificate
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

extension CertificateChain: WireCodable {
    package func encode(to writer: inout WireWriter) {
        grant.encode(to: &writer)
        certificate.encode(to: &writer)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        self.init(grant: try SignedPayload(from: &reader), certificate: try SignedPayload(from: &reader))
    }
}
