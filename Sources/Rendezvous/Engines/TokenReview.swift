import Configuration
import FoundationEssentials
import PublicAPI

/// A question to the Kubernetes API who shows a token, and what its answer means.
struct TokenReview: Sendable {
    static let path = "/apis/authentication.k8s.io/v1/tokenreviews"
    private static let prefix = "system:serviceaccount:"
    private static let podKey = "authentication.kubernetes.io/pod-uid"

    let audiences: [String]
    let allowed: Set<String>

    func question(_ token: String) -> [UInt8] {
        struct Body: Encodable {
            struct Spec: Encodable {
                var token: String
                var audiences: [String]?
            }
            var apiVersion = "authentication.k8s.io/v1"
            var kind = "TokenReview"
            var spec: Spec
        }
        let body = Body(spec: Body.Spec(token: token, audiences: audiences.isEmpty ? nil : audiences))
        // Texts alone: nothing in it can have no form in JSON.
        return (try? JSONEncoder().encode(body)).map(Array.init) ?? []
    }

    /// The caller's name: its service account, and its pod where the token is bound to one, so that the pods of one account can't
    /// change each other's records.
    func caller(_ answer: [UInt8]) throws(CallerRefusal) -> String {
        struct Body: Decodable {
            struct User: Decodable {
                var username: String?
                var extra: [String: [String]]?
            }
            struct Status: Decodable {
                var authenticated: Bool?
                var user: User?
                var audiences: [String]?
            }
            var status: Status?
        }
        guard let body = try? JSONDecoder().decode(Body.self, from: Data(answer)), let status = body.status else {
            throw .unavailable
        }
        guard status.authenticated == true, let user = status.user?.username, user.hasPrefix(Self.prefix) else {
            throw .unauthenticated
        }
        // A cluster that doesn't look at audiences says none.
        if !audiences.isEmpty, Set(audiences).isDisjoint(with: status.audiences ?? []) { throw .unauthenticated }
        let account = String(user.dropFirst(Self.prefix.count))
        guard allowed.contains(account) else { throw .notAllowed(name: account) }
        guard let pod = status.user?.extra?[Self.podKey]?.first else { return account }
        return "\(account)/\(pod)"
    }
}
