import Glibc
import Testing

extension EndToEnd {
    @Suite("The daemon beside an engine")
    struct SidecarTests {
        @Test("One sidecar serves, another pulls and serves on, and the command line tells about both")
        func servingAndPulling() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.awkward(in: folder)
                let first = try await cluster.startSidecar(["--serve", "m=\(folder)"], as: "first")
                let second = try await cluster.startSidecar(
                    ["--pull", "m=\(cluster.path("copy"))"], as: "second", peers: [first.bootstrap])
                for name in ["first", "second"] {
                    try await eventually("both as complete sources, told by \(name)", within: .seconds(30)) {
                        let sources = try await cluster.sources(of: name)
                        return Set(sources.filter { $0.coverage == 1 }.map(\.name)) == ["first", "second"]
                    }
                    let status = try #require(try await cluster.status(of: name))
                    #expect(status.program == "modelexpress-sidecar" && status.name == name && status.state == "ok")
                }
                try await expectIdentical(folder, cluster.path("copy"))

                try await leaves(first.process, "first", cluster)
                try await cluster.pull("m", to: "other", from: [second.bootstrap])
                try await expectIdentical(folder, cluster.path("other"))
                try await leaves(second.process, "second", cluster)
            }
        }

        @Test("A second sidecar in the same state folder is refused, and the first goes on")
        func sameStateFolder() async throws {
            try await Cluster.run { cluster in
                let first = try await cluster.startSidecar([], as: "first")
                let second = try await cluster.start("modelexpress-sidecar", [], as: "first")
                #expect(try await second.failed(with: 4).contains(cluster.stateFolder(of: "first")))
                #expect(first.process.ending == nil)
                #expect(try await cluster.status(of: "first") != nil)
            }
        }

        @Test("A sidecar that was killed doesn't stop the next one")
        func killed() async throws {
            try await Cluster.run { cluster in
                let first = try await cluster.startSidecar([], as: "first")
                try await first.process.killed()
                let second = try await cluster.startSidecar([], as: "first")
                try await leaves(second.process, "first", cluster)
            }
        }

        /// SIGTERM ends it soon and well, and its sockets are gone.
        private func leaves(_ sidecar: ChildProcess, _ name: String, _ cluster: Cluster) async throws {
            sidecar.send(SIGTERM)
            #expect(try await sidecar.end(within: .seconds(5)) == .code(0))
            #expect(Files.names(in: cluster.stateFolder(of: name)).allSatisfy { !$0.hasSuffix(".sock") })
        }
    }
}
