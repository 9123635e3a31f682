import Glibc
import Testing

extension EndToEnd {
    @Suite("Requests that can't be met")
    struct BadRequestTests {
        @Test("A model that nobody offers is exit code 3, and what is offered is named")
        func unknownModel() async throws {
            try await withSource { cluster, source in
                let pull = try await cluster.startPull("unknown", to: "copy", from: [source.bootstrap])
                let message = try await pull.failed(with: 3)
                #expect(message.contains("\"unknown\"") && message.contains("offered: m"))
                #expect(!Files.exists(cluster.path("copy")))
            }
        }

        @Test("A destination with something in it is exit code 4, and stays as it is")
        func destinationInUse() async throws {
            try await withSource { cluster, source in
                let taken = try cluster.makeFolder("taken")
                try Files.write("precious".utf8, to: "\(taken)/file")
                let message = try await cluster.startPull("m", to: "taken", from: [source.bootstrap]).failed(with: 4)
                #expect(message.contains(taken))
                #expect(Files.names(in: taken) == ["file"])
                #expect(Files.text(of: "\(taken)/file") == "precious")
            }
        }

        @Test("A destination in a folder that isn't there is named, and nothing is made")
        func destinationNowhere() async throws {
            try await withSource { cluster, source in
                let pull = try await cluster.startPull("m", to: "missing/copy", from: [source.bootstrap])
                let message = try await pull.failed(with: 1)
                #expect(message.contains(cluster.path("missing")) && message.contains("create it"))
                #expect(!Files.exists(cluster.path("missing")))
            }
        }

        @Test(
            "A full disk is exit code 1, and nothing is left on it",
            .enabled("only root can mount a small disk") { await TinyDisk.isPossible() })
        func fullDisk() async throws {
            try await withSource { cluster, source in
                try await TinyDisk.use(in: cluster, megabytes: 8) { disk in
                    let pull = try await cluster.startPull("m", to: "tiny-disk/copy", from: [source.bootstrap])
                    let message = try await pull.failed(with: 1)
                    #expect(message.contains(disk) && message.contains("free"))
                    #expect(Files.names(in: disk).isEmpty)
                }
            }
        }

        @Test("Nobody at the address is exit code 5, and the address is named")
        func nobodyThere() async throws {
            try await Cluster.run { cluster in
                let address = "127.0.0.1:\(try RawSocket.closedPort())"
                let pull = try await cluster.startPull("m", to: "copy", from: [address], ["--wait", "1s"])
                let message = try await pull.failed(with: 5)
                #expect(message.contains(address))
                let asked = try await cluster.modelexpress(["status"], as: "nobody")
                #expect(try await asked.failed(with: 5).contains(cluster.stateFolder(of: "nobody")))
            }
        }

        @Test(
            "A port in use is exit code 1, and the port is named",
            arguments: ["bootstrap", "control", "gossip", "data"])
        func portInUse(port: String) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(1, in: folder)
                let (socket, number) = try RawSocket.listen()
                defer { close(socket) }
                let serve = try await cluster.startServe(folder, as: "m", ["--\(port)-port", "\(number)"])
                #expect(try await serve.failed(with: 1).contains("\(number)"))
            }
        }

        @Test("Wrong usage is exit code 2, and what is wrong is named")
        func wrongUsage() async throws {
            try await Cluster.run { cluster in
                let cases: [([String], String)] = [
                    (["pull", "m", "--to", "x", "--no-such-flag"], "--no-such-flag"), (["pull", "m"], "--to"),
                    (["pull", "m", "--to", "x", "--lane", "pigeon"], "pigeon"), (["serve"], "folder"),
                    (["serve", ".", "--slots", "0"], "0"), (["serve", ".", "--peers", "nowhere"], "nowhere"),
                    (["keys", "token", "--roles", "king"], "king"), (["fly"], "fly"),
                ]
                for (arguments, word) in cases {
                    let run = try await cluster.modelexpress(arguments)
                    #expect(try await run.failed(with: 2).contains(word), "\(arguments)")
                }
            }
        }

        private func withSource(_ body: (Cluster, ServingPeer) async throws -> Void) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(20, in: folder)
                try await body(cluster, try await cluster.serve(folder, as: "m"))
            }
        }
    }
}
