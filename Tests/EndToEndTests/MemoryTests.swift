import Testing

extension EndToEnd {
    @Suite("Memory")
    struct MemoryTests {
        /// What a source and a target may each take, of their own and of shared memory, whatever the model's size.
        private static let limit: UInt64 = 256 << 20
        private static let chunk = 4 << 20

        @Test("Pulling 2 GiB takes at most 256 MiB in each process", .slow, arguments: Lane.allCases)
        func largeModel(lane: Lane) async throws { try await pull(size: 2 << 30, over: lane) }

        @Test("Pulling 400 MiB takes at most 256 MiB in each process", arguments: Lane.allCases)
        func mediumModel(lane: Lane) async throws { try await pull(size: 400 << 20, over: lane) }

        private func pull(size: Int, over lane: Lane) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try await onOwnThread {
                    try Safetensors.writeSparse(size: size, stride: Self.chunk / 2, to: "\(folder)/model.safetensors")
                }
                let source = try await cluster.startServe(folder, as: "m")
                var peaks = (source: UInt64(0), target: UInt64(0))
                let bootstrap = try await eventually("the source's offer", within: .seconds(120)) {
                    peaks.source = max(peaks.source, MemoryUse.own(of: source.number))
                    return source.events.first { $0.event == "serving" }?.bootstrap
                }
                let pull = try await cluster.startPull("m", to: "copy", from: [bootstrap], lane: lane)
                try await eventually("the end of the pull", within: .seconds(120)) {
                    peaks.source = max(peaks.source, MemoryUse.own(of: source.number))
                    peaks.target = max(peaks.target, MemoryUse.own(of: pull.number))
                    return pull.ending != nil
                }
                _ = try await pull.completedPull()
                print("memory over \(lane): source \(peaks.source >> 20) MiB, target \(peaks.target >> 20) MiB")
                #expect(peaks.source <= Self.limit)
                #expect(peaks.target <= Self.limit)
                try await expectIdentical(folder, cluster.path("copy"))
            }
        }
    }
}

/// What the kernel says about a process's memory.
enum MemoryUse {
    /// Bytes of anonymous and shared memory that are resident now; 0 for a process that is gone.
    static func own(of process: Int32) -> UInt64 {
        guard let status = Files.text(of: "/proc/\(process)/status") else { return 0 }
        return ["RssAnon:", "RssShmem:"].reduce(0) { $0 + kilobytes($1, in: status) * 1024 }
    }

    private static func kilobytes(_ key: String, in status: String) -> UInt64 {
        let line = status.split(separator: "\n").first { $0.hasPrefix(key) }
        return line?.split { $0 == " " || $0 == "\t" }.dropFirst().first.flatMap { UInt64($0) } ?? 0
    }
}
