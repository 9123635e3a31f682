import Configuration
import FoundationEssentials
import Records
import Trust

/// The join Secret as the API gives it: what it holds for us, and the version that a change must name.
struct JoinSecret: Hashable, Sendable {
    /// Under which pods find the token in the mounted Secret.
    static let key = "token"

    let resourceVersion: String
    /// Nil when the Secret has no such key, or what it has is no text.
    let token: String?

    init(resourceVersion: String, token: String?) {
        self.resourceVersion = resourceVersion
        self.token = token
    }

    /// Nil for what is no Secret.
    init?(json: [UInt8]) {
        struct Body: Decodable {
            struct Metadata: Decodable { var resourceVersion: String }
            var metadata: Metadata
            var data: [String: String]?
        }
        guard let body = try? JSONDecoder().decode(Body.self, from: Data(json)) else { return nil }
        resourceVersion = body.metadata.resourceVersion
        token = body.data?[Self.key].flatMap { Data(base64Encoded: $0) }
            .flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The body that creates it.
    static func creation(name: String, token: String) -> [UInt8] {
        creation(name: name, data: [key: "\(token)\n"])
    }

    /// The body that creates any Secret of ours.
    static func creation(name: String, data: [String: String]) -> [UInt8] {
        encode(
            Creation(
                apiVersion: "v1", kind: "Secret",
                metadata: Creation.Metadata(
                    name: name, labels: ["app.kubernetes.io/managed-by": "modelexpress-server"]),
                type: "Opaque", data: data.mapValues(base64)))
    }

    /// The merge patch that replaces the token alone, if nobody has changed the Secret meanwhile.
    func replacement(token: String) -> [UInt8] {
        let data = [Self.key: Self.base64("\(token)\n")]
        return Self.encode(Patch(metadata: Patch.Metadata(resourceVersion: resourceVersion), data: data))
    }

    private struct Creation: Encodable {
        struct Metadata: Encodable {
            var name: String
            var labels: [String: String]
        }
        var apiVersion: String
        var kind: String
        var metadata: Metadata
        var type: String
        var data: [String: String]
    }

    private struct Patch: Encodable {
        struct Metadata: Encodable { var resourceVersion: String }
        var metadata: Metadata
        var data: [String: String]
    }

    private static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    private static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts alone: nothing in it can have no form in JSON.
        return (try? encoder.encode(value)).map(Array.init) ?? []
    }
}

/// What is to be done about the join Secret, from what it holds. Without a clock and without the API.
struct JoinSecretPlan: Sendable {
    enum Step: Hashable, Sendable {
        case create(token: String)
        case replace(JoinSecret, token: String)
        /// Nothing before then, milliseconds since 1970.
        case keep(until: Int64)
        /// It holds what must not be overwritten.
        case refuse(reason: String)
    }

    let root: ClusterRoot
    let name: String
    /// Of tokens that are made, milliseconds.
    let life: Int64

    /// - Parameters:
    ///   - secret: nil when there is none.
    ///   - wall: milliseconds since 1970.
    func step(_ secret: JoinSecret?, atWall wall: Int64) -> Step {
        guard let secret else { return .create(token: make(like: nil, wall)) }
        guard let text = secret.token else { return .replace(secret, token: make(like: nil, wall)) }
        let holder: TokenHolder
        do throws(ConfigurationError) {
            holder = try TokenFile.decode(text, path: "Secret \(name)")
        } catch {
            return .refuse(
                reason:
                    "what Secret \(name) holds as \"\(JoinSecret.key)\" is no join token; remove it, or name another "
                    + "Secret with MX_JOIN_SECRET")
        }
        guard holder.anchor == root.anchor else {
            return .refuse(
                reason: "Secret \(name) holds a token of another cluster; remove it, or name another Secret with "
                    + "MX_JOIN_SECRET")
        }
        let grant = holder.grant.value
        let half = grant.notBefore + (grant.notAfter - grant.notBefore) / 2
        return wall < half ? .keep(until: half) : .replace(secret, token: make(like: grant, wall))
    }

    /// With the limits of the one before, if there was one, and a key of its own.
    private func make(like old: TokenGrant?, _ wall: Int64) -> String {
        TokenFile.make(
            root: root, roles: old?.roles ?? [.origin, .relay, .reader], modelPrefixes: old?.modelPrefixes ?? [""],
            certificateLife: old?.certificateLife ?? ValidityLimits.certificate, peers: old?.peers ?? 0,
            notBefore: wall - ValidityLimits.skew, notAfter: wall + life)
    }
}
