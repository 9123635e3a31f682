import Glibc
import Testing

extension EndToEnd {
    @Suite("The daemon goes on by itself, and ends when it is told to")
    struct DaemonTests {
        /// Bytes of a file of holes: more than can be digested before the signal comes.
        private static let large = 48 << 30
        /// Bytes that were read when a digest is under way for sure.
        private static let begun = 200_000_000

        @Test("SIGTERM ends a daemon that digests a large folder")
        func digestingDaemon() async throws {
            try await Cluster.run { cluster in
                let folder = try largeFolder(cluster)
                let daemon = try await cluster.startSidecar(["--serve", "m=\(folder)"], as: "first").process
                try await eventually("a digest under way") { try bytesRead(by: daemon) > Self.begun }
                daemon.send(SIGTERM)
                #expect(try await daemon.end(within: .seconds(5)) == .code(0))
                #expect(!daemon.errors.contains("serving") && !daemon.errors.contains("can't be served"))
            }
        }

        @Test("SIGINT ends `modelexpress serve` while it digests")
        func digestingCommand() async throws {
            try await Cluster.run { cluster in
                let serve = try await cluster.startServe(try largeFolder(cluster), as: "m")
                try await serve.event("digesting")
                serve.send(SIGINT)
                #expect(try await serve.failed(with: 1, within: .seconds(5)).contains("cancelled"))
            }
        }

        @Test("SIGTERM ends a pull that digests what an earlier one left, and the next one still resumes it")
        func digestingPull() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(600, in: folder)
                let source = try await cluster.serve(folder, as: "m", ["--rate-limit", "200MB"])
                let first = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await cluster.served(source.name, moreThan: 300_000_000)
                try await first.killed()
                let second = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await second.event("found")
                second.send(SIGTERM)
                _ = try await second.failed(with: 1, within: .seconds(5))
                let third = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await third.event("resumed")
                _ = try await third.completedPull()
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("A daemon that is started again beside the folder that it filled serves it")
        func startedAgain() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(9, in: folder)
                let source = try await cluster.serve(folder, as: "m")
                let pulling = ["--pull", "m=\(cluster.path("copy"))"]
                let first = try await cluster.startSidecar(pulling, as: "daemon", peers: [source.bootstrap])
                try await eventually("a filled folder") { Files.exists(cluster.path("copy")) }
                for process in [first.process, source.process] {
                    process.send(SIGTERM)
                    #expect(try await process.end(within: .seconds(10)) == .code(0))
                }

                let second = try await cluster.startSidecar(pulling, as: "daemon")
                try await cluster.pull("m", to: "other", from: [second.bootstrap], ["--wait", "30s"])
                try await expectIdentical(folder, cluster.path("other"))
                #expect(!second.process.errors.contains("given up"))
            }
        }

        @Test("A folder that another pull writes to is tried again, until the other has ended")
        func folderInUse() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(64, in: folder)
                let source = try await cluster.serve(folder, as: "m", ["--rate-limit", "25MB"])
                let rival = try await cluster.startPull("m", to: "copy", from: [source.bootstrap], lane: .tcp)
                try await rival.event("source")
                let daemon = try await cluster.startSidecar(
                    ["--pull", "m=\(cluster.path("copy"))"], as: "daemon", peers: [source.bootstrap])
                try await eventually("a pull that is tried again") {
                    daemon.process.errorLines.contains { $0.contains("tried again") && $0.contains("another pull") }
                }
                rival.send(SIGTERM)
                try await rival.end()
                try await eventually("a filled folder", within: .seconds(60)) { Files.exists(cluster.path("copy")) }
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }

        @Test("Without the role that it needs a daemon gives the job up once, says so, and goes on")
        func missingRole() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(1, in: folder)
                let jobs = [("origin", "m=\(cluster.path("copy"))", "reader"), ("reader", "m=\(folder)", "origin")]
                for (role, job, missing) in jobs {
                    let token = cluster.path("token-\(role)")
                    let made = try await cluster.modelexpress(
                        ["keys", "token", "--state-dir", cluster.keysFolder, "--roles", role, "--out", token])
                    try #require(made.ending == .code(0), "\(made.report)")
                    let daemon = try await cluster.start(
                        "modelexpress-sidecar", ["--pull", job], as: role, environment: ["MX_TOKEN_FILE": token])
                    let line = try await eventually("a job that is given up") {
                        daemon.errorLines.first { $0.contains("given up") }
                    }
                    #expect(line.contains(missing) && !daemon.errors.contains("tried again"))
                    daemon.send(SIGTERM)
                    #expect(try await daemon.end(within: .seconds(5)) == .code(0))
                    #expect(daemon.errorLines.count { $0.contains("given up") } == 1)
                }
            }
        }

        private func largeFolder(_ cluster: Cluster) throws -> String {
            let folder = try cluster.makeFolder("large")
            try Safetensors.writeSparse(
                size: Self.large, stride: Self.large / 4, to: "\(folder)/model.safetensors")
            return folder
        }

        /// All that a process read from files by now.
        private func bytesRead(by process: ChildProcess) throws -> Int {
            let lines = Files.text(of: "/proc/\(process.number)/io")?.split(separator: "\n") ?? []
            guard let line = lines.first(where: { $0.hasPrefix("rchar: ") }) else { return 0 }
            return Int(line.dropFirst("rchar: ".count)) ?? 0
        }
    }
}
