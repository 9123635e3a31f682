import Testing

extension EndToEnd {
    @Suite("Models in memory")
    struct InMemoryTests {
        @Test("A model goes from memory to memory and back to a folder, long after its folder and its origin are gone")
        func memoryToMemory() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.awkward(in: folder)
                let moved = cluster.path("moved")
                let origin = try await cluster.serve(folder, as: "m", name: "origin", ["--in-memory"])
                #expect(origin.process.events.contains { $0.event == "loading" })
                // What is served is the copy in memory.
                try Files.rename(folder, to: moved)
                let cache = try await cluster.start(
                    "modelexpress",
                    ["pull", "m", "--in-memory", "--serve", "--json", "--peers", origin.bootstrap], as: "cache")
                let complete = try await cache.event("complete")
                #expect(complete.chunks == complete.totalChunks)
                let status = try #require(try await cluster.status(of: "cache"))
                try await origin.process.killed()
                for lane in Lane.allCases {
                    let report = try await cluster.pull(
                        "m", to: "copy-\(lane.rawValue)", from: ["\(status.address):\(status.bootstrapPort)"],
                        lane: lane, ["--wait", "30s"])
                    #expect(report.sources?.first { $0.name == "cache" }?.bytes == report.totalBytes)
                    try await expectIdentical(moved, cluster.path("copy-\(lane.rawValue)"))
                }
            }
        }

        @Test("A pull that keeps nothing checks every chunk, leaves a report and nothing else, and offers nothing")
        func discard() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(16, in: folder)
                let source = try await cluster.serve(folder, as: "m")
                let before = Files.names(in: cluster.folder)
                let pull = try await cluster.start(
                    "modelexpress",
                    [
                        "pull", "m", "--discard", "--json", "--peers", source.bootstrap, "--report",
                        cluster.path("report.json"),
                    ], as: "target")
                let report = try await pull.completedPull()
                #expect(report.bytes == report.totalBytes)
                let text = try #require(Files.text(of: cluster.path("report.json")))
                let written = try JSON.decode(JobEvent.self, text)
                #expect(written.event == "complete")
                #expect(written.sources?.map(\.name) == ["source"])
                let made = Set(Files.names(in: cluster.folder)).subtracting(before)
                #expect(made == ["report.json", "state-target"])
                let offers = try await cluster.sources(of: "source")
                #expect(offers.map(\.name) == ["source"])
            }
        }

        @Test(
            "A pull says where the model goes, once",
            arguments: [[], ["--in-memory", "--discard"], ["--to", "copy", "--in-memory"], ["--discard", "--serve"]])
        func destinations(_ options: [String]) async throws {
            try await Cluster.run { cluster in
                let pull = try await cluster.start("modelexpress", ["pull", "m"] + options, as: "target")
                let message = try await pull.failed(with: 2)
                #expect(message.contains("--discard"))
            }
        }

        @Test("A report that can't be written is told before anything is read")
        func reportPath() async throws {
            try await Cluster.run { cluster in
                let pull = try await cluster.start(
                    "modelexpress", ["pull", "m", "--discard", "--report", cluster.path("no/such/folder/r.json")],
                    as: "target")
                let message = try await pull.failed(with: 2)
                #expect(message.contains("no/such/folder"))
            }
        }
    }
}
