import Glibc
import Testing

extension EndToEnd {
    /// The server beside a stand-in of the Kubernetes API (kubernetes-api.py).
    @Suite("The join Secret")
    struct JoinSecretTests {
        private struct API {
            let folder: String
            let url: String
            let account: String

            /// What the Secret holds as its token; nil while there is none.
            var token: String? {
                guard let text = Files.text(of: "\(folder)/secrets.json"),
                    let secrets = try? JSON.decode([String: SecretShape].self, text)
                else { return nil }
                return secrets["modelexpress-join"]?.data["token"]
            }

            var requests: [String] {
                (Files.text(of: "\(folder)/requests") ?? "").split(separator: "\n").map(String.init)
            }

            func fail(next faults: String...) throws {
                try Files.write(faults.map { $0 + "\n" }.joined().utf8, to: "\(folder)/faults")
            }
        }

        private struct SecretShape: Decodable {
            var data: [String: String]
        }

        private func startAPI(_ cluster: Cluster, _ options: [String] = [], scheme: String = "http") async throws -> API
        {
            let folder = try cluster.makeFolder("api")
            let account = cluster.path("account-token")
            try Files.write("service-account-secret\n".utf8, to: account)
            let script = #filePath.replacing("JoinSecretTests.swift", with: "kubernetes-api.py")
            let process = try await cluster.start(
                path: "python3", ["-B", script, "--folder", folder, "--token-file", account] + options, name: "api")
            let port = try await eventually("the stand-in of the API") {
                if process.ending != nil { throw Unmet("it ended: \(process.errors)") }
                return process.loggedNumber("port")
            }
            return API(folder: folder, url: "\(scheme)://127.0.0.1:\(port)", account: account)
        }

        /// A server with the cluster's root key.
        private func startServer(
            _ cluster: Cluster, _ api: API, as name: String = "server", _ environment: [String: String] = [:]
        ) async throws -> ChildProcess {
            let state = try cluster.makeFolder("state-\(name)")
            guard let root = Files.text(of: "\(cluster.keysFolder)/root.key") else { throw Unmet("no root key") }
            try Files.write(root.utf8, to: "\(state)/root.key")
            chmod("\(state)/root.key", 0o600)
            let settings = [
                "MX_KUBERNETES_API": api.url, "MX_KUBERNETES_NAMESPACE": "mesh",
                "MX_KUBERNETES_TOKEN_FILE": api.account,
                "MX_ADVERTISE_ADDRESS": "127.0.0.1",
            ].merging(environment) { _, own in own }
            return try await cluster.start("modelexpress-server", ["--embedded-redis"], as: name, environment: settings)
        }

        @Test("The first server of a cluster makes its keys, and the next one takes them from the Secret")
        func keysSecret() async throws {
            try await Cluster.run { cluster in
                let api = try await startAPI(cluster)
                var keys: [String] = []
                for name in ["first", "second"] {
                    let state = try cluster.makeFolder("state-\(name)")
                    let server = try await cluster.start(
                        "modelexpress-server", ["--embedded-redis"], as: name,
                        environment: [
                            "MX_KUBERNETES_API": api.url, "MX_KUBERNETES_NAMESPACE": "mesh",
                            "MX_KUBERNETES_TOKEN_FILE": api.account, "MX_ADVERTISE_ADDRESS": "127.0.0.1",
                            "MX_KEYS_SECRET": "modelexpress-keys", "MX_TOKEN_FILE": "\(state)/none",
                        ])
                    try await eventually("a server that is ready") { server.loggedNumber("http.port") != nil }
                    keys.append(try #require(Files.text(of: "\(state)/root.key")))
                    #expect(server.errors.contains("made the cluster's keys") == (name == "first"))
                }
                #expect(keys[0] == keys[1])
                _ = try await eventually("the join Secret") { api.token }
            }
        }

        @Test("A server creates the Secret where it is absent, and a peer joins with what is in it")
        func created() async throws {
            try await Cluster.run { cluster in
                let api = try await startAPI(cluster)
                let server = try await startServer(cluster, api)
                let encoded = try await eventually("the Secret") { api.token }
                // As the mounted Secret has it.
                try #require(system("printf %s '\(encoded)' | base64 -d > \(cluster.path("mounted"))") == 0)
                try await eventually("a server that is ready") { server.loggedNumber("http.port") != nil }
                let status = try await eventually("the server's status") { try await cluster.status(of: "server") }
                let folder = try cluster.makeFolder("model")
                try await Models.plain(1, in: folder)
                let source = try await cluster.serve(
                    folder, as: "m", peers: ["127.0.0.1:\(status.bootstrapPort)"],
                    environment: ["MX_TOKEN_FILE": cluster.path("mounted")])
                try await eventually("the source in the server's list") {
                    try await cluster.peers(of: "server").contains { $0.name == source.name }
                }
                #expect(!server.errors.contains("mxtoken1:") && !server.errors.contains("service-account-secret"))
            }
        }

        @Test(
            "The token is replaced at half its life, by another with the same limits, and all else in the Secret stays")
        func renewed() async throws {
            try await Cluster.run { cluster in
                let api = try await startAPI(cluster)
                _ = try await startServer(cluster, api, ["MX_JOIN_TOKEN_LIFE": "6s"])
                let first = try await eventually("the Secret") { api.token }
                try #require(
                    system(
                        "python3 -c \"import json; p='\(api.folder)/secrets.json'; s=json.load(open(p)); "
                            + "s['modelexpress-join']['data']['note']='a2VlcA=='; json.dump(s, open(p, 'w'))\"") == 0)
                try await eventually("another token", within: .seconds(30)) { api.token.map { $0 != first } ?? false }
                #expect(Files.text(of: "\(api.folder)/secrets.json")?.contains("a2VlcA==") == true)
                // It notes a request after it has answered.
                try await eventually("the request for it") {
                    api.requests.contains { $0.hasPrefix("PATCH ") && $0.hasSuffix(" 200") }
                }
            }
        }

        @Test("Two servers that start at once create one Secret, and whoever was slower takes what is there")
        func race() async throws {
            try await Cluster.run { cluster in
                let api = try await startAPI(cluster)
                try api.fail(next: "lose")
                let servers = [
                    try await startServer(cluster, api, as: "one"), try await startServer(cluster, api, as: "two"),
                ]
                try await eventually("two servers that have looked") {
                    api.requests.count { $0.hasPrefix("GET ") } >= 3
                }
                #expect(api.requests.count { $0.hasPrefix("POST ") && $0.hasSuffix(" 201") } <= 1)
                #expect(api.requests.contains { $0.hasPrefix("POST ") && $0.hasSuffix(" 409") })
                #expect(api.token != nil && servers.allSatisfy { $0.ending == nil })
                #expect(!servers.contains { $0.errors.contains("is not kept") })
            }
        }

        @Test("An API that refuses, fails, stalls or talks nonsense is asked again, and the log says why")
        func faults() async throws {
            try await Cluster.run { cluster in
                let api = try await startAPI(cluster)
                try api.fail(next: "status 403", "status 500", "garbage", "wait 1")
                let server = try await startServer(cluster, api)
                try await eventually("the Secret", within: .seconds(40)) { api.token != nil }
                for words in ["get, create and patch", "answers with 500", "no Kubernetes API"] {
                    #expect(server.errors.contains(words), "\(words)")
                }
            }
        }

        @Test("A wrong service account is told, and the server serves all the same")
        func wrongAccount() async throws {
            try await Cluster.run { cluster in
                let api = try await startAPI(cluster)
                try Files.write("another".utf8, to: cluster.path("wrong"))
                let server = try await startServer(
                    cluster, api, ["MX_KUBERNETES_TOKEN_FILE": cluster.path("wrong")])
                try await eventually("the refusal in the log") {
                    server.errors.contains("does not know this service account")
                }
                try await eventually("a server that is ready") { server.loggedNumber("http.port") != nil }
                #expect(api.token == nil && !server.errors.contains("another\""))
            }
        }

        @Test("What is no token of this cluster is not overwritten")
        func foreign() async throws {
            try await Cluster.run { cluster in
                let api = try await startAPI(cluster)
                let secret =
                    #"{"modelexpress-join":{"metadata":{"name":"modelexpress-join","resourceVersion":"7"},"data":{"token":"b3RoZXI="}}}"#
                try Files.write(secret.utf8, to: "\(api.folder)/secrets.json")
                let server = try await startServer(cluster, api)
                try await eventually("the refusal in the log") { server.errors.contains("MX_JOIN_SECRET") }
                #expect(api.token == "b3RoZXI=")
            }
        }

        @Test("Over TLS the API's certificate is checked against the pod's authorities")
        func secure() async throws {
            try await Cluster.run { cluster in
                for name in ["own", "other"] {
                    let command =
                        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 -subj /CN=api "
                        + "-addext subjectAltName=IP:127.0.0.1 -keyout \(cluster.path(name)).key -out \(cluster.path(name)).pem"
                    try #require(system("\(command) > /dev/null 2>&1") == 0)
                }
                let files = ["--certificate", cluster.path("own.pem"), "--key", cluster.path("own.key")]
                let api = try await startAPI(cluster, files, scheme: "https")
                let wary = try await startServer(
                    cluster, api, as: "wary", ["MX_KUBERNETES_CA_FILE": cluster.path("other.pem")])
                try await eventually("distrust in the log") { wary.errors.contains("not trusted") }
                #expect(api.requests.isEmpty)
                _ = try await startServer(cluster, api, ["MX_KUBERNETES_CA_FILE": cluster.path("own.pem")])
                try await eventually("the Secret") { api.token != nil }
            }
        }
    }
}
