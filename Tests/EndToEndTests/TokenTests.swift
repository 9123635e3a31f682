import Testing

extension EndToEnd {
    @Suite("Tokens")
    struct TokenTests {
        @Test("Without a token nothing starts: exit code 3, with advice")
        func noToken() async throws {
            try await Cluster.run { cluster in
                let folder = try await model(cluster)
                let missing = ["MX_TOKEN_FILE": cluster.path("missing")]
                let runs = [
                    try await cluster.startServe(folder, environment: missing),
                    try await cluster.startPull("m", to: "copy", from: ["127.0.0.1:1"], environment: missing),
                ]
                for run in runs {
                    let message = try await run.failed(with: 3)
                    #expect(message.contains(cluster.path("missing")) && message.contains("keys token"))
                }
            }
        }

        @Test("A file that is no token is exit code 1, and is named")
        func damagedToken() async throws {
            try await Cluster.run { cluster in
                try Files.write("mxtoken1:00ff".utf8, to: cluster.path("damaged"))
                let serve = try await cluster.startServe(
                    try await model(cluster), environment: ["MX_TOKEN_FILE": cluster.path("damaged")])
                #expect(try await serve.failed(with: 1).contains(cluster.path("damaged")))
            }
        }

        @Test("A token of another cluster lets nobody in, and the message says that it may be that")
        func otherCluster() async throws {
            try await Cluster.run { cluster in
                let source = try await cluster.serve(try await model(cluster), as: "m")
                for arguments in [["init"], ["token"]] {
                    try await cluster.modelexpress(["keys"] + arguments + ["--state-dir", cluster.path("foreign")])
                }
                let pull = try await cluster.startPull(
                    "m", to: "copy", from: [source.bootstrap], ["--wait", "2s"],
                    environment: ["MX_TOKEN_FILE": cluster.path("foreign/token")])
                let message = try await pull.failed(with: 5)
                #expect(message.contains("cluster") && message.contains(source.bootstrap))
                #expect(!Files.exists(cluster.path("copy")))
            }
        }

        @Test("An expired token is exit code 4, with advice")
        func expired() async throws {
            try await Cluster.run { cluster in
                let token = try await makeToken(cluster, ["--expires", "1s"])
                let folder = try await model(cluster)
                let source = try await cluster.serve(folder, as: "m")
                // It may hold for some seconds more, since clocks differ.
                let refused = try await eventually("a refusal of the expired token", within: .seconds(30)) {
                    let pull = try await cluster.startPull(
                        "m", to: "copy", from: ["127.0.0.1:1"], ["--wait", "0s"],
                        environment: ["MX_TOKEN_FILE": token])
                    return try await pull.end() == .code(5) ? nil : pull
                }
                #expect(try await refused.failed(with: 4).contains("expired"))
                let pull = try await cluster.startPull(
                    "m", to: "copy", from: [source.bootstrap], environment: ["MX_TOKEN_FILE": token])
                #expect(try await pull.failed(with: 4).contains("keys token"))
                #expect(!Files.exists(cluster.path("copy")))
            }
        }

        @Test("A token without the role that a command needs is exit code 4, and the role is named")
        func missingRole() async throws {
            try await Cluster.run { cluster in
                let folder = try await model(cluster)
                let reader = try await makeToken(cluster, ["--roles", "reader"])
                let serve = try await cluster.startServe(folder, as: "m", environment: ["MX_TOKEN_FILE": reader])
                #expect(try await serve.failed(with: 4).contains("origin"))

                let origin = try await makeToken(cluster, ["--roles", "origin"])
                let source = try await cluster.serve(folder, as: "m")
                let pull = try await cluster.startPull(
                    "m", to: "copy", from: [source.bootstrap], environment: ["MX_TOKEN_FILE": origin])
                #expect(try await pull.failed(with: 4).contains("reader"))
                #expect(!Files.exists(cluster.path("copy")))
            }
        }

        @Test("A token for other models is refused for this one, with exit code 4")
        func otherModels() async throws {
            try await Cluster.run { cluster in
                let folder = try await model(cluster)
                let token = try await makeToken(cluster, ["--models", "team-a/"])
                let serve = try await cluster.startServe(folder, as: "team-b/m", environment: ["MX_TOKEN_FILE": token])
                #expect(try await serve.failed(with: 4).contains("team-b/m"))
                let source = try await cluster.serve(folder, as: "team-b/m")
                let pull = try await cluster.startPull(
                    "team-b/m", to: "copy", from: [source.bootstrap], environment: ["MX_TOKEN_FILE": token])
                #expect(try await pull.failed(with: 4).contains("team-b/m"))
            }
        }

        private func model(_ cluster: Cluster) async throws -> String {
            let folder = try cluster.makeFolder("model")
            try await Models.plain(1, in: folder)
            return folder
        }

        private func makeToken(_ cluster: Cluster, _ options: [String]) async throws -> String {
            let file = cluster.path("token\(options.joined())")
                .replacing("team-a/", with: "team-a")
            let made = try await cluster.modelexpress(
                ["keys", "token", "--state-dir", cluster.keysFolder, "--out", file] + options)
            guard made.ending == .code(0) else { throw Unmet("no token: \(made.report)") }
            return file
        }
    }
}
