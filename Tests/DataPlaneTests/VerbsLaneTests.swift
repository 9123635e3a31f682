import Arena
import CVerbs
import Digest
import EventThread
import Glibc
import Records
import Telemetry
import Testing
import Transfer

@testable import DataPlane

/// With real devices: run in the guest of Tests/RDMA, and skipped where there are none.
@Suite("Lanes over RDMA devices", .enabled(if: Devices.areThere), .serialized)
struct VerbsLaneTests {
    /// Storages at any alignment.
    static let sizes = [1, 64, 4096, 0, 5000, 300_000, 64, 12_288, 200_001, 7]
    static let chunkSize: UInt64 = 1 << 15

    struct World {
        let fabric: VerbsFabric
        let source: MemoryArena
        let target: MemoryArena
        let bytes: [UInt8]
        let rig: LaneRig
    }

    static func world(
        _ sizes: [Int] = sizes, configure: (inout LaneServer.Configuration) -> Void = { _ in }
    ) throws -> World {
        let fabric = try Devices.required()
        let layout = try ArenaLaneTests.layout(sizes, chunkSize: chunkSize)
        let (source, bytes) = try ArenaLaneTests.filled(layout)
        let target = try MemoryArena(layout: layout, alignment: 4096)
        let rig = try LaneRig(TemporaryFolder(), source, bytes, sink: target) {
            $0.fabric = fabric
            configure(&$0)
        }
        return World(fabric: fabric, source: source, target: target, bytes: bytes, rig: rig)
    }

    static func content(of arena: MemoryArena) -> [UInt8] { ArenaLaneTests.content(of: arena) }

    @Test("Every byte arrives in place, and each port brings a share", arguments: [LaneIntegrity.full, .crc])
    func content(_ integrity: LaneIntegrity) async throws {
        try await Self.fill(try Self.world(), over: .verbs, integrity)
    }

    static func fill(_ world: World, over kind: LaneKind, _ integrity: LaneIntegrity) async throws {
        let counters = try world.fabric.rails().map(\.device.metrics.bytesRead)
        let before = counters.map(\.value)
        let lane = try world.rig.open(kind, integrity: integrity)
        world.rig.readAll(lane)
        #expect(await eventually { world.rig.events.outcomes == world.source.layout.chunkCount })
        #expect(world.rig.events.failures.isEmpty)
        #expect(Self.content(of: world.target) == world.bytes)
        let brought = zip(counters, before).map { $0.value - $1 }
        #expect(brought.reduce(0, +) == world.source.layout.totalBytes)
        #expect(brought.allSatisfy { $0 > 0 })
        lane.close()
        #expect(await eventually { world.rig.events.isClosed })
        await world.rig.tearDown()
    }

    @Test("A destination without memory is filled through buffers")
    func buffers() async throws {
        let fabric = try Devices.required()
        try await Self.fillThroughBuffers(over: .verbs) { $0.fabric = fabric }
    }

    static func fillThroughBuffers(
        over kind: LaneKind, configure: (inout LaneServer.Configuration) -> Void
    ) async throws {
        let layout = try ArenaLaneTests.layout([30_000, 5, 70_000])
        let (source, bytes) = try ArenaLaneTests.filled(layout)
        let sink = MemorySink()
        let rig = try LaneRig(TemporaryFolder(), source, bytes, sink: sink, configure: configure)
        let lane = try Lanes.open(
            rig.opening(kind), into: rig.target(buffers: ChunkBufferPool(bufferSize: 4096, capacity: 1)))
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == layout.chunkCount })
        #expect(rig.events.failures.isEmpty)
        #expect(sink.content == bytes)
        lane.close()
        await rig.tearDown()
    }

    @Test("Content that lies in files is declined, with what to do")
    func files() async throws {
        let fabric = try Devices.required()
        let rig = try LaneRig(LaneTransferTests.files) { $0.fabric = fabric }
        _ = try rig.open(.verbs)
        #expect(await eventually { rig.events.isClosed })
        #expect(rig.events.openFailure?.reason == "declined")
        #expect(rig.events.openFailure?.description.contains("--in-memory") == true)
        await rig.tearDown()
    }

    @Test("Without the lease's key nothing is connected")
    func strangers() async throws {
        let world = try Self.world([100])
        let lane = try Lanes.open(
            world.rig.opening(.verbs, sessionKey: testDigest(9)), into: world.rig.target())
        #expect(await eventually { world.rig.events.isClosed })
        #expect(world.rig.events.openFailure == .refused)
        lane.close()
        await world.rig.tearDown()
    }

    /// For Tests/Benchmarks: MX_RDMA_BYTES over the device that MX_RDMA_MEASURE names and the lane MX_RDMA_LANE. Where processors
    /// are emulated, checksums cost more than all else, and hide what a lane gives. A line for each of MX_RDMA_ROUNDS, whenever one
    /// is asked for on standard input.
    @Test(
        "What a lane moves when nothing is verified, as lines for Tests/Benchmarks",
        .enabled(if: getenv("MX_RDMA_MEASURE") != nil))
    func measure() async throws {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        var settings = VerbsSettings()
        settings.devices = variable("MX_RDMA_MEASURE").map { [$0] } ?? []
        settings.usesWindows = variable("MX_RDMA_WINDOWS") != "off"
        let kind = LaneKind(word: variable("MX_RDMA_LANE") ?? "verbs") ?? .verbs
        let fabric = try VerbsFabric(settings)
        let ucx = kind == .ucx ? try UCXFabric(UCXSettings(Devices.Environment.ucx), ports: fabric) : nil
        let (rig, target) = try Self.blind(Int(variable("MX_RDMA_BYTES") ?? "") ?? 64 << 20, chunkSize: 4 << 20) {
            $0.fabric = fabric
            $0.ucx = ucx
        }
        let lane = try Lanes.open(
            rig.opening(kind), into: rig.target(integrity: .crc, digester: Self.blindDigester))
        #expect(await eventually { rig.events.isOpened })
        let chunks = target.layout.chunkCount
        // The first round registers, and doesn't count.
        for round in 0...(Int(variable("MX_RDMA_ROUNDS") ?? "") ?? 1) {
            if round > 0 { await offPool { _ = readLine() } }
            let began = MonotonicClock.now()
            rig.readAll(lane)
            // Looking costs what the lane needs.
            #expect(await eventually(every: 5_000_000) { rig.events.outcomes == chunks * (round + 1) })
            let seconds = Double(MonotonicClock.now() - began) / 1e9
            print(round == 0 ? "lane is ready" : "lane moved \(Double(target.layout.totalBytes) / 1e9 / seconds) GB/s")
            fflush(nil)
        }
        #expect(rig.events.failures.isEmpty)
        lane.close()
        await rig.tearDown()
        await offPool {
            ucx?.stop()
            fabric.stop()
        }
    }

    // MARK: What a lease's holder can't do

    @Test(
        "Of what a reader can ask for, only reading works, and the source's memory stays as it was",
        arguments: [
            IBV_WR_RDMA_WRITE.rawValue, IBV_WR_ATOMIC_FETCH_AND_ADD.rawValue, IBV_WR_ATOMIC_CMP_AND_SWP.rawValue,
        ] as [UInt32])
    func operations(_ operation: UInt32) async throws {
        let world = try Self.world([1 << 16])
        let status = try await offPool {
            Result { () throws -> (ibv_wc_status?, ibv_wc_status?, [UInt8]) in
                let reader = try HostileReader(world.rig, world.fabric)
                let reads = try reader.post(IBV_WR_RDMA_READ)
                let brought = reader.read
                return (reads, try reader.post(ibv_wr_opcode(operation)), brought)
            }
        }.get()
        #expect(status.0 == IBV_WC_SUCCESS)
        #expect(status.2 == Array(world.bytes.prefix(8)))
        let refusals = [IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR]
        #expect(status.1.map { refusals.contains($0) } == true, "it ended with \(status.1.debugDescription)")
        #expect(Self.content(of: world.source) == world.bytes)
        await world.rig.tearDown()
    }

    @Test("A read past the content's end is refused", arguments: [65_536, 65_532, 1 << 40] as [UInt64])
    func bounds(_ address: UInt64) async throws {
        let world = try Self.world([1 << 16])
        let status = try await offPool {
            Result { try HostileReader(world.rig, world.fabric).post(IBV_WR_RDMA_READ, at: address) }
        }.get()
        #expect(status == IBV_WC_REM_ACCESS_ERR)
        await world.rig.tearDown()
    }

    @Test("Another reader's key opens nothing, while its lease lives and after")
    func keys() async throws {
        let world = try Self.world([1 << 16])
        let other = (lease: LeaseID(testDigest(17)), key: testDigest(18))
        world.rig.server.admit(
            ServedLease(
                lease: other.lease, sessionKey: other.key, window: 8, content: world.source,
                layout: world.source.layout, availability: ChunkAvailability(complete: world.source.layout)))
        let outcomes = try await offPool {
            Result { () throws -> [ibv_wc_status?] in
                let owner = try HostileReader(world.rig, world.fabric, lease: other.lease, sessionKey: other.key)
                let owned = try owner.post(IBV_WR_RDMA_READ)
                let thief = try HostileReader(world.rig, world.fabric)
                let stolen = try thief.post(IBV_WR_RDMA_READ, key: owner.key)
                let again = try HostileReader(world.rig, world.fabric)
                world.rig.server.end(other.lease)
                return [owned, stolen, try again.post(IBV_WR_RDMA_READ, key: owner.key)]
            }
        }.get()
        #expect(outcomes == [IBV_WC_SUCCESS, IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR])
        await world.rig.tearDown()
    }

    @Test("Once its lease has ended a queue pair reads nothing")
    func ended() async throws {
        let world = try Self.world([1 << 16])
        let pairs = try world.fabric.rails()[0].device.metrics.queuePairs
        let outcomes = try await offPool {
            Result { () throws -> [ibv_wc_status?] in
                let before = pairs.value
                let reader = try HostileReader(world.rig, world.fabric)
                let first = try reader.post(IBV_WR_RDMA_READ)
                world.rig.server.end(world.rig.lease)
                // The source's own goes; the reader's stays.
                let deadline = MonotonicClock.now() + 20_000_000_000
                while pairs.value > before + 1, MonotonicClock.now() < deadline {}
                return [first, try reader.post(IBV_WR_RDMA_READ)]
            }
        }.get()
        #expect(outcomes.first == IBV_WC_SUCCESS)
        #expect(outcomes.last != IBV_WC_SUCCESS)
        #expect(outcomes.last == IBV_WC_RETRY_EXC_ERR || outcomes.last == IBV_WC_REM_ACCESS_ERR)
        await world.rig.tearDown()
    }

    // MARK: Endings

    /// What a device holds for lanes.
    struct Held: Equatable {
        var queuePairs = 0.0
        var regions = 0.0
        var registeredBytes = 0.0

        init() {}

        init(_ metrics: RDMAMetrics) {
            queuePairs = metrics.queuePairs.value
            regions = metrics.regions.value
            registeredBytes = metrics.registeredBytes.value
        }
    }

    @Test("A lease that ends closes its lane at once")
    func endedLane() async throws {
        try await Self.endLease(try Self.world().rig, .verbs)
    }

    static func endLease(_ rig: LaneRig, _ kind: LaneKind) async throws {
        let lane = try rig.open(kind)
        #expect(await eventually { rig.events.isOpened })
        rig.server.end(rig.lease)
        #expect(await eventually { rig.events.isClosed })
        lane.read(chunk: 0)
        #expect(rig.events.failures[0]?.reason == "connection_lost")
        await rig.tearDown()
    }

    @Test("A lane that is closed by force in the middle of reads writes nothing after its end")
    func forced() async throws {
        let fabric = try Devices.required()
        try await Self.closeInTheMiddle(.verbs) { $0.fabric = fabric }
    }

    static func closeInTheMiddle(
        _ kind: LaneKind, configure: (inout LaneServer.Configuration) -> Void
    ) async throws {
        let (rig, target) = try Self.blind(64 << 20, chunkSize: 1 << 20, configure: configure)
        let lane = try Lanes.open(rig.opening(kind), into: rig.target(integrity: .crc, digester: Self.blindDigester))
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes > 2 })
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        #expect(rig.events.outcomes == target.layout.chunkCount)
        #expect(!rig.events.failures.isEmpty)
        let memory = target.memory(ofStorage: 0)
        guard let start = memory.baseAddress else { return }
        memset(start, 0xA5, memory.count)
        // As long as the devices would need for all that was asked for.
        try await Task.sleep(nanoseconds: 1_000_000_000)
        #expect(memory[0] == 0xA5)
        #expect(memcmp(start, start + 1, memory.count - 1) == 0)
        await rig.tearDown()
    }

    static let blindDigester = ChunkDigester(crc32c: { _, _ in 0 }, strong: { _ in .zero })

    /// A source and a target of so many bytes that nobody digests.
    static func blind(
        _ size: Int, chunkSize: UInt64, configure: (inout LaneServer.Configuration) -> Void
    ) throws -> (LaneRig, MemoryArena) {
        let layout = try ArenaLaneTests.layout([size], chunkSize: chunkSize)
        let (source, target) = try (MemoryArena(layout: layout), MemoryArena(layout: layout, isPopulated: true))
        source.memory(ofStorage: 0).initializeMemory(as: UInt8.self, repeating: 1)
        let digests = [ChunkDigests](
            repeating: ChunkDigests(crc32c: 0, strong: .zero), count: layout.chunkCount)
        return (
            try LaneRig(TemporaryFolder(), source, [], sink: target, digests: digests, configure: configure), target
        )
    }

    @Test("A thousand leases leave no queue pair, region or connection behind")
    func leaks() async throws {
        let world = try Self.world([1 << 16])
        let devices = try world.fabric.rails().map(\.device)
        let rig = world.rig
        // What is served stays registered for a while after the last lease, so one stays: on each device two queue pairs, the
        // content and a window to it.
        let first = try Lanes.open(rig.opening(.verbs), into: rig.target())
        #expect(await eventually { rig.events.isOpened })
        var one = Held()
        (one.queuePairs, one.regions, one.registeredBytes) = (2, 2, Double(1 << 16))
        let before = devices.map { _ in one }
        for number in 0..<1000 {
            let events = EventRecorder()
            let lease = LeaseID(BLAKE2b.digest([UInt8(number & 0xFF), UInt8(number >> 8)]))
            rig.server.admit(
                ServedLease(
                    lease: lease, sessionKey: rig.sessionKey, window: 8, content: world.source,
                    layout: world.source.layout, availability: ChunkAvailability(complete: world.source.layout)))
            let lane = try Lanes.open(rig.opening(.verbs, lease: lease), into: rig.target(events: events))
            #expect(await eventually { events.isOpened || events.isClosed })
            if number % 100 == 0 {
                lane.read(chunk: 0)
                #expect(await eventually { events.outcomes == 1 })
                #expect(events.failures.isEmpty)
            }
            // Either side may end it.
            if number % 2 == 0 { lane.close() } else { rig.server.end(lease) }
            #expect(await eventually { events.isClosed })
            lane.close()
            rig.server.end(lease)
        }
        #expect(await eventually { rig.server.connectionCount == 1 })
        _ = await eventually { devices.map { Held($0.metrics) } == before }
        #expect(devices.map { Held($0.metrics) } == before)
        first.close()
        #expect(await eventually { rig.events.isClosed })
        await rig.tearDown()
    }
}
