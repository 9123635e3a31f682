import DataPlane
import Digest
import Records
import Telemetry
import Testing

@Suite("Lanes move chunks")
struct LaneTransferTests {
    static let lanes: [LaneKind] = [.sharedMemory, .tcp]

    /// Sizes that fit no chunk, an empty file at each place, a file of one byte, one of several chunks.
    static let files = [0, 1, 5000, 0, 0, 4096, 3, 20_001, 0].enumerated().map {
        FileContent.pattern($1, seed: UInt64($0 + 1))
    }

    @Test("Every byte of several files arrives, whatever their sizes", arguments: lanes, [LaneIntegrity.full, .crc])
    func wholeContent(_ kind: LaneKind, _ integrity: LaneIntegrity) async throws {
        let rig = try LaneRig(Self.files)
        let lane = try rig.open(kind, integrity: integrity)
        rig.readAll(lane)
        let chunks = rig.content.layout.chunkCount
        #expect(await eventually { rig.events.outcomes == chunks })
        #expect(rig.events.failures.isEmpty)
        #expect(rig.events.verified.sorted() == Array(0..<chunks))
        #expect(rig.sink.content == rig.content.bytes)
        if case .opened = rig.events.all.first {} else { Issue.record("a chunk came before the lane was open") }
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        #expect(rig.served.withLock { $0 } == (kind == .tcp ? rig.content.layout.totalBytes : 0))
        await rig.tearDown()
    }

    @Test("More storages than one message carries descriptors are passed in order")
    func manyStorages() async throws {
        let rig = try LaneRig((0..<150).map { FileContent.pattern(100 + $0, seed: UInt64($0)) })
        let lane = try rig.open(.sharedMemory, integrity: .crc)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == rig.content.layout.chunkCount })
        #expect(rig.sink.content == rig.content.bytes)
        lane.close()
        await rig.tearDown()
    }

    @Test("A layout without a byte opens and closes", arguments: lanes)
    func emptyContent(_ kind: LaneKind) async throws {
        let rig = try LaneRig([])
        let lane = try rig.open(kind)
        #expect(await eventually { rig.events.isOpened })
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        await rig.tearDown()
    }

    @Test("Two buffers are enough for many chunks", arguments: lanes)
    func backPressure(_ kind: LaneKind) async throws {
        let rig = try LaneRig([FileContent.pattern(300_000, seed: 3)])
        let buffers = ChunkBufferPool(bufferSize: 4096, capacity: 1)
        #expect(buffers.bufferCount == 2)
        let lane = try Lanes.open(rig.opening(kind), into: rig.target(integrity: .crc, buffers: buffers))
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == rig.content.layout.chunkCount })
        #expect(rig.sink.content == rig.content.bytes)
        lane.close()
        await rig.tearDown()
    }

    @Test("A byte that changed after the manifest is found by its CRC, and nothing is written", arguments: lanes)
    func flippedByte(_ kind: LaneKind) async throws {
        let rig = try LaneRig([FileContent.pattern(10_000, seed: 5)])
        try rig.content.flip(storage: 0, at: 5000)
        let lane = try rig.open(kind)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == 3 })
        guard case .crcMismatch(let expected, _) = rig.events.failures[1] else {
            Issue.record("chunk 1 ended with \(String(describing: rig.events.failures[1]))")
            return
        }
        #expect(expected == rig.digests[1].crc32c)
        #expect(rig.events.verified.sorted() == [0, 2])
        #expect(rig.sink.written[1] == nil)
        lane.close()
        await rig.tearDown()
    }

    @Test("A right CRC doesn't save a chunk whose strong digest is wrong", arguments: lanes)
    func wrongStrongDigest(_ kind: LaneKind) async throws {
        let rig = try LaneRig([FileContent.pattern(10_000, seed: 5)])
        var digests = rig.digests
        digests[2] = ChunkDigests(crc32c: digests[2].crc32c, strong: testDigest(0))
        let lane = try Lanes.open(rig.opening(kind), into: rig.target(digests: digests))
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == 3 })
        #expect(rig.events.failures == [2: .digestMismatch])
        #expect(rig.sink.written[2] == nil)
        lane.close()
        await rig.tearDown()
    }

    @Test("A full disk at the target is told apart from a bad source", arguments: lanes)
    func sinkFailure(_ kind: LaneKind) async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 5)], sinkIsFull: true)
        let lane = try rig.open(kind)
        lane.read(chunk: 0)
        #expect(await eventually { rig.events.outcomes == 1 })
        #expect(rig.events.failures[0] == .sinkFailed("No space left on device"))
        lane.close()
        await rig.tearDown()
    }

    @Test("A chunk that the source doesn't have is refused, and comes once it has it")
    func missingChunk() async throws {
        let rig = try LaneRig([FileContent.pattern(20_000, seed: 6)], missing: [1])
        let lane = try rig.open(.tcp)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == 5 })
        #expect(rig.events.failures == [1: .notAvailable])
        rig.availability.insert(1)
        lane.read(chunk: 1)
        #expect(await eventually { rig.events.outcomes == 6 })
        #expect(rig.sink.content == rig.content.bytes)
        lane.close()
        await rig.tearDown()
    }

    @Test("A chunk outside the layout fails without a connection", arguments: lanes)
    func chunkOutOfRange(_ kind: LaneKind) async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 6)])
        let lane = try rig.open(kind)
        lane.read(chunk: 1)
        lane.read(chunk: -1)
        #expect(rig.events.failures == [1: .notAvailable, -1: .notAvailable])
        lane.close()
        await rig.tearDown()
    }
}
