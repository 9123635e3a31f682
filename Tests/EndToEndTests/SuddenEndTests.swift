import Glibc
import Testing

extension EndToEnd {
    @Suite("Any process may be killed at any time")
    struct SuddenEndTests {
        @Test("A killed pull leaves nothing under the final name, and the next one to the same folder completes")
        func targetKilled() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(64, in: folder)
                let source = try await cluster.serve(folder, as: "m", ["--rate-limit", "25MB"])
                let pull = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await cluster.served(source.name, moreThan: 21_000_000)
                try await pull.killed()
                #expect(!Files.exists(cluster.path("copy")))

                let report = try await cluster.pull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                #expect(report.bytes ?? 0 < report.totalBytes ?? 0, "nothing of the killed pull was used")
                try await expectIdentical(folder, cluster.path("copy"))
                #expect(Files.names(in: cluster.folder).allSatisfy { !$0.contains("partial") })
            }
        }

        @Test("A pull that is told to end leaves nothing under the final name, and the next one resumes")
        func targetEnded() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(64, in: folder)
                let source = try await cluster.serve(folder, as: "m", ["--rate-limit", "25MB"])
                let pull = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await cluster.served(source.name, moreThan: 21_000_000)
                let rival = try await cluster.startPull(
                    "m", to: "copy", from: [source.bootstrap], name: "rival", lane: .tcp)
                #expect(try await rival.failed(with: 4).contains("another pull"))
                pull.send(SIGTERM)
                #expect(try await pull.failed(with: 1, within: .seconds(10)).contains("cancelled"))
                #expect(!Files.exists(cluster.path("copy")))

                let again = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await again.event("resumed")
                _ = try await again.completedPull()
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("A killed serve doesn't stop the next one, which removes its sockets")
        func serveKilled() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(9, in: folder)
                let first = try await cluster.serve(folder, as: "m")
                try await first.process.killed()
                let left = sockets(cluster)
                #expect(left.count == 2, "a local socket and a lane's")

                let second = try await cluster.serve(folder, as: "m")
                #expect(sockets(cluster).count == 2)
                #expect(sockets(cluster).isDisjoint(with: left))
                try await cluster.pull("m", to: "copy", from: [second.bootstrap], lane: .sharedMemory)
                try await expectIdentical(folder, cluster.path("copy"))

                second.process.send(SIGTERM)
                #expect(try await second.process.end(within: .seconds(10)) == .code(0))
                #expect(sockets(cluster).isEmpty, "a serve that ends by itself leaves no socket")
            }
        }

        @Test("A killed pull over shared memory leaves no memory, socket or child")
        func nothingIsLeft() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(300, in: folder)
                let source = try await cluster.serve(folder, as: "m")
                let before = Files.names(in: "/dev/shm")
                let pull = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .sharedMemory)
                try await pull.event("progress")
                try await pull.killed()
                #expect(Files.names(in: "/dev/shm") == before)
                #expect(!Files.exists(cluster.path("copy")))
                try await cluster.pull("m", to: "copy", from: [source.bootstrap], lane: .sharedMemory)
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("After five rounds in which everything is killed at random a normal pull works", arguments: [10])
        func randomKills(seed: UInt64) async throws {
            try await Cluster.run { cluster in
                var random = SeededRandom(seed: seed)
                let folder = try cluster.makeFolder("model")
                try await Models.plain(48, in: folder)
                for round in 1...5 {
                    let delay = Duration.milliseconds(Int.random(in: 200...2600, using: &random))
                    print("random kills: seed \(seed), round \(round): after \(delay)")
                    let lane: Lane = round.isMultiple(of: 2) ? .tcp : .sharedMemory
                    try await killEverything(after: delay, cluster, folder, lane: lane)
                    try await expectWholeOrNothing(cluster, folder)
                }
                let source = try await cluster.serve(folder, as: "m")
                for lane in Lane.allCases {
                    try await cluster.pull("m", to: "\(lane)", from: [source.bootstrap], lane: lane)
                    try await expectIdentical(folder, cluster.path("\(lane)"))
                }
                for copy in Self.copies {
                    // What was interrupted again and again is taken up.
                    try await cluster.pull("m", to: copy, from: [source.bootstrap])
                    try await expectIdentical(folder, cluster.path(copy))
                }
            }
        }

        private static let copies = ["copy", "other"]

        /// A pull that completed before it was killed has put everything in place; the next round begins without it.
        private func expectWholeOrNothing(_ cluster: Cluster, _ folder: String) async throws {
            for copy in Self.copies.map(cluster.path) where Files.exists(copy) {
                try await expectIdentical(folder, copy)
                Files.remove(copy)
            }
        }

        /// A round: a source and two targets start, and all are killed after a time that the seed chose.
        private func killEverything(
            after delay: Duration, _ cluster: Cluster, _ folder: String, lane: Lane
        ) async throws {
            let source = try await cluster.serve(folder, as: "m", ["--rate-limit", "10MB"])
            var processes = [source.process]
            for copy in Self.copies {
                processes.append(
                    try await cluster.startPull("m", to: copy, from: [source.bootstrap], name: copy, lane: lane))
            }
            // The time of the kill is what is tested here, so it is the one thing that no event tells.
            try await Task.sleep(for: delay)
            for process in processes { process.send(SIGKILL) }
            for process in processes { try await process.end() }
        }

        private func sockets(_ cluster: Cluster) -> Set<String> {
            let folders = [cluster.stateFolder(of: "source"), cluster.laneSockets]
            return Set(
                folders.flatMap { folder in
                    Files.names(in: folder).filter { $0.hasSuffix(".sock") }.map { "\(folder)/\($0)" }
                })
        }
    }
}
