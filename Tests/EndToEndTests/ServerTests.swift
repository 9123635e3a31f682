import Glibc
import Testing

extension EndToEnd {
    @Suite("The server")
    struct ServerTests {
        @Test("A peer that knows only the server finds another peer's model")
        func rendezvous() async throws {
            try await withRedis { cluster, socket, _ in
                let server = try await cluster.startServer(redis: socket)
                let (folder, source) = try await serveModel(cluster, server)
                let report = try await cluster.pull("m", to: "copy", from: [server.bootstrap])
                #expect(report.sources?.map(\.name) == [source.name])
                try await expectIdentical(folder, cluster.path("copy"))

                try await state("ok", of: server, cluster)
                let peers = try await cluster.peers(ofServer: server.url)
                #expect(Set(peers.map(\.name)).isSuperset(of: [server.name, source.name]))
                #expect(peers.first { $0.name == server.name }?.roles.contains("server") == true)
                #expect(try await cluster.sources(ofServer: server.url).map(\.name) == [source.name])
            }
        }

        @Test("After a killed server starts again, its peers come back and their models are listed")
        func serverKilled() async throws {
            try await withRedis { cluster, socket, _ in
                let first = try await cluster.startServer(redis: socket)
                let (folder, source) = try await serveModel(cluster, first)
                try await listed("m", by: first, cluster)
                try await first.process.killed()

                let second = try await cluster.startServer(redis: socket, bootstrapPort: first.bootstrapPort)
                try await listed("m", by: second, cluster)
                try await eventually("the source as a neighbour", within: .seconds(30)) {
                    try await cluster.peers(ofServer: second.url).contains { $0.name == source.name && $0.isNeighbour }
                }
                try await cluster.pull("m", to: "copy", from: [second.bootstrap])
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("Without Redis the server goes on from memory and says so, until Redis is back")
        func redisKilled() async throws {
            try await withRedis { cluster, socket, redis in
                let server = try await cluster.startServer(redis: socket)
                let (folder, _) = try await serveModel(cluster, server)
                try await listed("m", by: server, cluster)
                try await redis.killed()
                try await state("degraded", of: server, cluster)
                try await cluster.pull("m", to: "copy", from: [server.bootstrap])
                try await expectIdentical(folder, cluster.path("copy"))

                let back = try await cluster.startRedis(socket)
                try await state("ok", of: server, cluster)
                #expect(server.process.ending == nil && back.ending == nil)
                try await listed("m", by: server, cluster)
            }
        }

        @Test("What Redis held is known again to the next server, though nobody comes back")
        func embeddedRedis() async throws {
            try await Cluster.run { cluster in
                let first = try await cluster.startServer()
                let child = try #require(first.embeddedRedis)
                let (_, source) = try await serveModel(cluster, first)
                try await listed("m", by: first, cluster)
                try await source.process.killed()
                try await first.process.killed()
                try await eventually("the end of the Redis of a killed server") {
                    kill(child, 0) != 0 && errno == ESRCH
                }

                let second = try await cluster.startServer(bootstrapPort: first.bootstrapPort)
                #expect(second.embeddedRedis != child)
                try await listed("m", by: second, cluster)

                second.process.send(SIGTERM)
                #expect(try await second.process.end(within: .seconds(5)) == .code(0))
                #expect(second.embeddedRedis.map { kill($0, 0) } == -1, "its Redis lives on")
            }
        }

        @Test("A server that listens on one address only is reached there, without being told what to advertise")
        func boundToOneAddress() async throws {
            try await withRedis { cluster, socket, _ in
                let server = try await cluster.startServer(redis: socket, advertise: "")
                let (folder, _) = try await serveModel(cluster, server)
                try await cluster.pull("m", to: "copy", from: [server.bootstrap])
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("Ctrl-C at a terminal ends the server, which then ends its Redis: they are in groups of their own")
        func processGroups() async throws {
            try await Cluster.run { cluster in
                let server = try await cluster.startServer()
                let redis = try #require(server.embeddedRedis)
                #expect(getpgid(redis) != getpgid(server.process.number))
            }
        }

        @Test("Two servers don't share the folder of one embedded Redis")
        func folderInUse() async throws {
            try await Cluster.run { cluster in
                let first = try await cluster.startServer()
                let data = cluster.stateFolder(of: first.name) + "/redis"
                let second = try await cluster.start(
                    "modelexpress-server", ["--embedded-redis", "--data-dir", data], as: "other")
                #expect(try await second.failed(with: 1).contains(data))
                #expect(first.process.ending == nil)
            }
        }

        @Test("A server whose HTTP port is in use ends with exit code 1, and names it")
        func httpPortInUse() async throws {
            try await Cluster.run { cluster in
                let (socket, port) = try RawSocket.listen()
                defer { close(socket) }
                let server = try await cluster.start(
                    "modelexpress-server", ["--embedded-redis", "--http-port", "\(port)"], as: "server")
                #expect(try await server.failed(with: 1).contains("\(port)"))
            }
        }

        private func withRedis(_ body: (Cluster, String, ChildProcess) async throws -> Void) async throws {
            try await Cluster.run { cluster in
                let socket = cluster.path("redis.sock")
                try await body(cluster, socket, try await cluster.startRedis(socket))
            }
        }

        private func serveModel(_ cluster: Cluster, _ server: RunningServer) async throws -> (String, ServingPeer) {
            let folder = try cluster.makeFolder("model")
            try await Models.plain(9, in: folder)
            return (folder, try await cluster.serve(folder, as: "m", peers: [server.bootstrap]))
        }

        private func listed(_ model: String, by server: RunningServer, _ cluster: Cluster) async throws {
            try await eventually("\(model) in the server's list") {
                try await cluster.sources(ofServer: server.url).contains { $0.model == model && $0.coverage == 1 }
            }
        }

        private func state(_ word: String, of server: RunningServer, _ cluster: Cluster) async throws {
            try await eventually("the state \(word)") { try await cluster.status(ofServer: server.url)?.state == word }
        }
    }
}
