import Testing

extension EndToEnd {
    @Suite("Moving a model from one process to another")
    struct TransferTests {
        @Test(
            "Everything that checkpoint folders hold arrives identical, over the lane that was asked for",
            arguments: Lane.allCases)
        func awkwardFolder(lane: Lane) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.awkward(in: folder)
                let source = try await cluster.serve(folder, as: "awkward")
                let report = try await cluster.pull("awkward", to: "copy", from: [source.bootstrap], lane: lane)
                try await expectIdentical(folder, cluster.path("copy"))
                expect(report, isFrom: source, over: lane)
                #expect(report.integrity == "full")
            }
        }

        @Test("A snapshot of the Hugging Face cache, all links, arrives as files", arguments: Lane.allCases)
        func hubSnapshot(lane: Lane) async throws {
            try await Cluster.run { cluster in
                let snapshot = try await Models.hubSnapshot(in: cluster.path("hub"))
                let source = try await cluster.serve(snapshot)
                let serving = try await source.process.event("serving")
                #expect(serving.model == "team/tiny")
                #expect(serving.revision == "0123abcd")
                try await cluster.pull("team/tiny", to: "copy", from: [source.bootstrap], lane: lane)
                try await expectIdentical(snapshot, cluster.path("copy"))
            }
        }

        @Test("A safetensors header of 10 MB is no obstacle", arguments: Lane.allCases)
        func longHeader(lane: Lane) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.longHeader(in: folder)
                let source = try await cluster.serve(folder, as: "wide")
                try await cluster.pull("wide", to: "copy", from: [source.bootstrap], lane: lane)
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test(
            "A real model from PyPI arrives identical", .enabled(if: RealModel.isThere, RealModel.advice),
            arguments: Lane.allCases)
        func realModel(lane: Lane) async throws {
            try await Cluster.run { cluster in
                let source = try await cluster.serve(RealModel.folder, as: "all-minilm-l6-v2")
                let report = try await cluster.pull(
                    "all-minilm-l6-v2", to: "copy", from: [source.bootstrap], lane: lane)
                try await expectIdentical(RealModel.folder, cluster.path("copy"))
                expect(report, isFrom: source, over: lane)
            }
        }

        @Test("Checking only checksums is possible where the fabric is trusted, and the report says so")
        func checksumsOnly() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(9, in: folder)
                let source = try await cluster.serve(folder, as: "m")
                let report = try await cluster.pull(
                    "m", to: "copy", from: [source.bootstrap], lane: .tcp, ["--integrity", "crc"])
                #expect(report.integrity == "crc")
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("Three targets of a source with two slots all complete, and read from one another")
        func threeTargets() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(64, in: folder)
                let source = try await cluster.serve(folder, as: "m", ["--slots", "2", "--rate-limit", "25MB"])
                let pulls = try await startThreePulls(cluster, source)
                var relayed: UInt64 = 0
                for (index, pull) in pulls.enumerated() {
                    let report = try await pull.completedPull()
                    let sources = report.sources ?? []
                    #expect(sources.reduce(0) { $0 + $1.bytes } == report.totalBytes)
                    #expect(report.bytes == report.totalBytes)
                    relayed += sources.filter { $0.name != source.name }.reduce(0) { $0 + $1.bytes }
                    try await expectIdentical(folder, cluster.path("copy-\(index)"))
                }
                #expect(relayed > 0, "all was read from the source")
            }
        }

        private func startThreePulls(_ cluster: Cluster, _ source: ServingPeer) async throws -> [ChildProcess] {
            var pulls: [ChildProcess] = []
            for index in 0..<3 {
                pulls.append(
                    try await cluster.startPull(
                        "m", to: "copy-\(index)", from: [source.bootstrap], name: "target-\(index)", lane: .tcp))
            }
            return pulls
        }

        private func expect(_ report: JobEvent, isFrom source: ServingPeer, over lane: Lane) {
            let sources = report.sources ?? []
            #expect(sources.map(\.name) == [source.name])
            #expect(sources.allSatisfy { $0.lane == lane.rawValue && $0.failures == 0 })
            #expect(sources.reduce(0) { $0 + $1.bytes } == report.totalBytes)
            #expect(report.chunks == report.totalChunks)
        }
    }
}
