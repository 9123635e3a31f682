import Glibc
import Testing

extension EndToEnd {
    @Suite("A source fails in the middle of a transfer")
    struct SourceFailureTests {
        /// Slow enough to act in the middle: 64 MB take over 2 s from one source, after a burst of 20 MB.
        private static let slow = ["--rate-limit", "15MB"]
        private static let megabytes = 64
        /// When a source has served this much, some of the model is there and much is missing.
        private static let middle: UInt64 = 21_000_000

        @Test("With one of two sources killed, the target completes from the other")
        func oneOfTwoKilled() async throws {
            try await Cluster.run { cluster in
                let (folder, first, second) = try await twoSources(cluster)
                let pull = try await cluster.startPull(
                    "m", to: "copy", from: [first.bootstrap, second.bootstrap], lane: .tcp)
                try await cluster.served(first.name, moreThan: 0)
                try await first.process.killed()
                let report = try await pull.completedPull()
                #expect(bytes(report, from: second) > bytes(report, from: first))
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("With one of two sources stopped, the target completes from the other")
        func oneOfTwoStopped() async throws {
            try await Cluster.run { cluster in
                let (folder, first, second) = try await twoSources(cluster)
                let pull = try await cluster.startPull(
                    "m", to: "copy", from: [first.bootstrap, second.bootstrap], lane: .tcp)
                try await cluster.served(first.name, moreThan: 0)
                first.process.send(SIGSTOP)
                let report = try await pull.completedPull()
                #expect(bytes(report, from: second) > bytes(report, from: first))
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("With the only source gone for good a pull fails, and the next one resumes from another source")
        func onlySourceKilled() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(Self.megabytes, in: folder)
                let first = try await cluster.serve(folder, as: "m", name: "first", Self.slow)
                let pull = try await cluster.startPull(
                    "m", to: "copy", from: [first.bootstrap], lane: .tcp, environment: ["MX_TRANSFER_STALL": "2s"])
                try await cluster.served(first.name, moreThan: Self.middle)
                try await first.process.killed()
                let message = try await pull.failed(with: 1)
                #expect(!message.isEmpty)
                #expect(pull.events.last?.event == "failed")
                #expect(!Files.exists(cluster.path("copy")))

                let second = try await cluster.serve(folder, as: "m", name: "second")
                let again = try await cluster.startPull("m", to: "copy", from: [second.bootstrap], lane: .tcp)
                let resumed = try await again.event("resumed")
                let report = try await again.completedPull()
                #expect(resumed.chunks ?? 0 > 0)
                #expect(report.bytes ?? 0 < report.totalBytes ?? 0, "nothing of the first pull was used")
                try await expectIdentical(folder, cluster.path("copy"))
                #expect(Files.names(in: cluster.folder).allSatisfy { !$0.contains("partial") })
            }
        }

        private func twoSources(_ cluster: Cluster) async throws -> (String, ServingPeer, ServingPeer) {
            let folder = try cluster.makeFolder("model")
            try await Models.plain(Self.megabytes, in: folder)
            let first = try await cluster.serve(folder, as: "m", name: "first", Self.slow)
            let second = try await cluster.serve(
                folder, as: "m", name: "second", peers: [first.bootstrap], Self.slow)
            return (folder, first, second)
        }

        private func bytes(_ report: JobEvent, from source: ServingPeer) -> UInt64 {
            (report.sources ?? []).filter { $0.name == source.name }.reduce(0) { $0 + $1.bytes }
        }
    }
}
