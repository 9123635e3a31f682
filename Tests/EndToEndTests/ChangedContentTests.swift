import CLinux
import Glibc
import Testing

extension EndToEnd {
    @Suite("A source's file changes after it was digested")
    struct ChangedContentTests {
        private static let stall = ["MX_TRANSFER_STALL": "2s"]

        @Test("Changed bytes are found out: exit code 1, nothing under the final name", arguments: Lane.allCases)
        func changedBytes(lane: Lane) async throws {
            try await withChangedSource(lane, isWithdrawn: true) { file in
                let descriptor = mx_open(file, O_WRONLY, 0)
                defer { close(descriptor) }
                let isWritten = pwrite(descriptor, "changed", 7, 9_000_000) == 7
                #expect(isWritten)
            }
        }

        @Test("A file cut short is found out: exit code 1, nothing under the final name", arguments: Lane.allCases)
        func cutShort(lane: Lane) async throws {
            try await withChangedSource(lane) { file in
                let isCut = truncate(file, 5_000_000) == 0
                #expect(isCut)
            }
        }

        @Test("A file that is replaced by another is served on as it was", arguments: Lane.allCases)
        func replaced(lane: Lane) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(20, in: folder)
                let source = try await cluster.serve(folder, as: "m")
                let kept = try cluster.makeFolder("kept")
                let isMoved = rename("\(folder)/model.safetensors", "\(kept)/model.safetensors") == 0
                #expect(isMoved)
                try Files.write("another".utf8, to: "\(folder)/model.safetensors")
                try await cluster.pull("m", to: "copy", from: [source.bootstrap], lane: lane)
                try await expectIdentical(kept, cluster.path("copy"))
            }
        }

        private func withChangedSource(
            _ lane: Lane, isWithdrawn: Bool = false, _ change: (String) -> Void
        ) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await Models.plain(20, in: folder)
                let source = try await cluster.serve(folder, as: "m")
                change("\(folder)/model.safetensors")
                let pull = try await cluster.startPull(
                    "m", to: "copy", from: [source.bootstrap], lane: lane, environment: Self.stall)
                let message = try await pull.failed(with: 1)
                print("changed content over \(lane): \(message)")
                #expect(!Files.exists(cluster.path("copy")))
                #expect(source.process.ending == nil)
                guard isWithdrawn else { return }
                // The source looked for itself, and offers no more what it no longer has.
                try await eventually("the end of the offer") { try await cluster.sources(of: "source").isEmpty }
                #expect(source.process.errors.contains("no longer what its manifest says"))
            }
        }
    }
}
