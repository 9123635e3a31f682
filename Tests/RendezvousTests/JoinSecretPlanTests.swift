import Configuration
import Records
import Signing
import Testing
import Trust

@testable import Rendezvous

@Suite("What is done about the join Secret")
struct JoinSecretPlanTests {
    private static let now: Int64 = 1_700_000_000_000
    private static let day: Int64 = 86_400_000

    private func plan(_ root: ClusterRoot) -> JoinSecretPlan {
        JoinSecretPlan(root: root, name: "join", life: 7 * Self.day)
    }

    private func root() -> ClusterRoot { ClusterRoot(signer: Ed25519Signer.generate().signer) }

    private func secret(_ token: String?) -> JoinSecret { JoinSecret(resourceVersion: "5", token: token) }

    private func grant(_ step: JoinSecretPlan.Step) throws -> TokenGrant {
        let text =
            switch step {
            case .create(let token), .replace(_, let token): token
            case .keep, .refuse: ""
            }
        return try TokenFile.decode(text, path: "test").grant.value
    }

    @Test("An absent Secret is created, with a token for sources, relays and readers of all models")
    func absent() throws {
        let grant = try grant(plan(root()).step(nil, atWall: Self.now))
        #expect(grant.roles == [.origin, .relay, .reader] && grant.modelPrefixes == [""])
        #expect(grant.notAfter == Self.now + 7 * Self.day)
    }

    @Test("A token is kept for half its life, then replaced by one with the same limits and another key")
    func halfLife() throws {
        let root = root()
        let text = TokenFile.make(
            root: root, roles: .reader, modelPrefixes: ["team/"], certificateLife: 3_600_000, peers: 9,
            notBefore: Self.now, notAfter: Self.now + 2 * Self.day)
        let old = try TokenFile.decode(text, path: "test").grant.value
        let found = secret(text)
        #expect(plan(root).step(found, atWall: Self.now + Self.day - 1) == .keep(until: Self.now + Self.day))
        let step = plan(root).step(found, atWall: Self.now + Self.day)
        guard case .replace(found, _) = step else {
            Issue.record("\(step)")
            return
        }
        let new = try grant(step)
        #expect(new.roles == .reader && new.modelPrefixes == ["team/"] && new.peers == 9)
        #expect(new.certificateLife == 3_600_000 && new.delegatedKey != old.delegatedKey)
    }

    @Test("A Secret without a token gets one; what is no token, or of another cluster, is left alone")
    func others() throws {
        let root = root()
        guard case .replace = plan(root).step(secret(nil), atWall: Self.now) else {
            Issue.record("an empty Secret is filled")
            return
        }
        let foreign = TokenFile.make(
            root: self.root(), roles: .reader, modelPrefixes: [""], certificateLife: 1_000, notBefore: 0,
            notAfter: Self.now * 2)
        for text in ["nonsense", foreign, ""] {
            guard case .refuse(let reason) = plan(root).step(secret(text), atWall: Self.now) else {
                Issue.record("\(text) is refused")
                continue
            }
            #expect(reason.contains("MX_JOIN_SECRET"))
        }
    }

    @Test("A Secret is read from the API's JSON, and what is none is not one")
    func json() {
        let text =
            #"{"kind":"Secret","metadata":{"name":"j","resourceVersion":"12","uid":"x"},"data":{"token":"YWJj"}}"#
        #expect(JoinSecret(json: Array(text.utf8)) == JoinSecret(resourceVersion: "12", token: "abc"))
        let empty = #"{"metadata":{"resourceVersion":"1"}}"#
        #expect(JoinSecret(json: Array(empty.utf8)) == JoinSecret(resourceVersion: "1", token: nil))
        for text in ["", "{}", "[]", "null", #"{"metadata":{}}"#] { #expect(JoinSecret(json: Array(text.utf8)) == nil) }
    }

    @Test("Where the API is follows from the pod's environment, and can be said")
    func settings() throws {
        #expect(try KubernetesSettings(environment: Environment([:])) == nil)
        var pod = [
            "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443", "MX_KUBERNETES_NAMESPACE": "mesh",
        ]
        let found = try KubernetesSettings(environment: Environment(pod))
        #expect(found?.api == KubernetesAddress("https://10.0.0.1:6443") && found?.secret == "modelexpress-join")
        #expect(found?.tokenFile == "/var/run/secrets/kubernetes.io/serviceaccount/token")
        pod["MX_JOIN_SECRET"] = "none"
        #expect(try KubernetesSettings(environment: Environment(pod)) == nil)
        for (name, value) in [
            ("MX_JOIN_SECRET", "A/../b"), ("MX_KUBERNETES_API", "ftp://x"), ("MX_JOIN_TOKEN_LIFE", "soon"),
            ("MX_KUBERNETES_NAMESPACE", "a/b"), ("MX_KUBERNETES_API", "https://a/b\r\nc"),
        ] {
            var wrong = pod
            wrong["MX_JOIN_SECRET"] = nil
            wrong[name] = value
            let error = #expect(throws: ConfigurationError.self) {
                try KubernetesSettings(environment: Environment(wrong))
            }
            #expect(error?.description.contains(name) == true)
        }
    }
}
