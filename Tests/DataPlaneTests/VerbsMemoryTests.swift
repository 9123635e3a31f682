import Arena
import CLinux
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
@Suite("What RDMA devices read, and by which registration", .enabled(if: Devices.areThere), .serialized)
struct VerbsMemoryTests {
    /// As on devices without windows.
    static func withoutWindows() throws -> VerbsFabric {
        var settings = VerbsSettings()
        settings.usesWindows = false
        return try VerbsFabric(settings)
    }

    @Test("Without memory windows every byte arrives in place, and nothing of a lease is left")
    func regionPerLease() async throws {
        let fabric = try Self.withoutWindows()
        let world = try VerbsLaneTests.world { $0.fabric = fabric }
        let devices = try fabric.rails().map(\.device)
        #expect(devices.allSatisfy { !$0.hasWindows })
        let before = devices.map { VerbsLaneTests.Held($0.metrics) }
        let lane = try world.rig.open(.verbs)
        world.rig.readAll(lane)
        #expect(await eventually { world.rig.events.outcomes == world.source.layout.chunkCount })
        #expect(world.rig.events.failures.isEmpty)
        #expect(VerbsLaneTests.content(of: world.target) == world.bytes)
        lane.close()
        #expect(await eventually { world.rig.events.isClosed })
        _ = await eventually { devices.map { VerbsLaneTests.Held($0.metrics) } == before }
        #expect(devices.map { VerbsLaneTests.Held($0.metrics) } == before)
        await world.rig.tearDown()
        await offPool { fabric.stop() }
    }

    @Test("Without memory windows a reader can't write, nor use another's key, nor read once its lease has ended")
    func accessWithoutWindows() async throws {
        let fabric = try Self.withoutWindows()
        let world = try VerbsLaneTests.world([1 << 16]) { $0.fabric = fabric }
        let rig = world.rig
        let other = (lease: LeaseID(testDigest(17)), key: testDigest(18))
        rig.server.admit(
            ServedLease(
                lease: other.lease, sessionKey: other.key, window: 8, content: world.source,
                layout: world.source.layout, availability: ChunkAvailability(complete: world.source.layout)))
        let outcomes = try await offPool {
            Result { () throws -> [ibv_wc_status?] in
                let owner = try HostileReader(rig, fabric, lease: other.lease, sessionKey: other.key)
                let owned = try owner.post(IBV_WR_RDMA_READ)
                let stolen = try HostileReader(rig, fabric).post(IBV_WR_RDMA_READ, key: owner.key)
                let written = try HostileReader(rig, fabric).post(IBV_WR_RDMA_WRITE)
                let pairs = try fabric.rails()[0].device.metrics.queuePairs
                let before = pairs.value
                rig.server.end(other.lease)
                let deadline = MonotonicClock.now() + 20_000_000_000
                while pairs.value > before - 1, MonotonicClock.now() < deadline {}
                return [owned, stolen, written, try owner.post(IBV_WR_RDMA_READ)]
            }
        }.get()
        #expect(outcomes.first == IBV_WC_SUCCESS)
        let refusals = [IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR, IBV_WC_RETRY_EXC_ERR]
        #expect(outcomes.dropFirst().allSatisfy { $0.map { refusals.contains($0) } == true }, "\(outcomes)")
        #expect(VerbsLaneTests.content(of: world.source) == world.bytes)
        await rig.tearDown()
        await offPool { fabric.stop() }
    }

    @Test("Memory of another device is read where it lies, or declined by name where the RDMA device can't")
    func deviceMemory() async throws {
        let fabric = try Devices.required()
        let layout = try ArenaLaneTests.layout([1 << 16], chunkSize: 1 << 15)
        let content = try DeviceMemory(layout: layout)
        let target = try MemoryArena(layout: layout)
        let rig = try LaneRig(TemporaryFolder(), content, content.bytes, sink: target) { $0.fabric = fabric }
        let lane = try rig.open(.verbs)
        if try fabric.rails().allSatisfy(\.device.takesDMABuffers) {
            rig.readAll(lane)
            #expect(await eventually { rig.events.outcomes == layout.chunkCount })
            #expect(VerbsLaneTests.content(of: target) == content.bytes)
        } else {
            #expect(await eventually { rig.events.isClosed })
            #expect(rig.events.openFailure?.reason == "declined")
            #expect(rig.events.openFailure?.description.contains("MX_ARENA=staged") == true)
        }
        lane.close()
        await rig.tearDown()
    }

    @Test("What is no DMA buffer is not registered, whatever its descriptor is")
    func notDeviceMemory() throws {
        let device = try Devices.required().rails()[0].device
        let file = mx_memfd_create("plain")
        defer { close(file) }
        let buffer = DMABuffer(descriptor: file, length: 4096)
        #expect(throws: RDMAError.self) {
            try VerbsRegion(
                .device(buffer), of: device, in: device.domain, on: device, access: IBV_ACCESS_REMOTE_READ)
        }
    }
}

/// Content whose bytes are said to lie in another device: a DMA buffer that the kernel makes of a memory file (udmabuf), and
/// where it has none, that file.
private final class DeviceMemory: StorageContent {
    let layout: Layout
    let arena: ArenaLayout?
    let arenaBuffer: DMABuffer?
    let bytes: [UInt8]
    private let file: Int32

    /// `struct udmabuf_create` of linux/udmabuf.h.
    private struct Creation {
        var file: UInt32
        var flags: UInt32 = 0
        var offset: UInt64 = 0
        var size: UInt64
    }

    /// _IOW('u', 0x42, struct udmabuf_create).
    private static let create: UInt = 0x4018_7542

    init(layout: Layout) throws {
        self.layout = layout
        arena = ArenaLayout(layout, alignment: 64)
        let bytes = FileContent.pattern(Int(layout.totalBytes), seed: 3)
        let file = mx_memfd_create("device")
        guard file >= 0, bytes.withUnsafeBytes({ pwrite(file, $0.baseAddress, $0.count, 0) }) == bytes.count else {
            throw TestFailure("no memory file: errno \(errno)")
        }
        // A file that may shrink is no buffer: F_ADD_SEALS, F_SEAL_SHRINK.
        _ = fcntl(file, 1033, 2)
        (self.bytes, self.file) = (bytes, file)
        var creation = Creation(file: UInt32(file), size: UInt64(bytes.count))
        let maker = open("/dev/udmabuf", O_RDWR)
        defer { if maker >= 0 { close(maker) } }
        let made = maker < 0 ? -1 : ioctl(maker, Self.create, &creation)
        arenaBuffer = DMABuffer(descriptor: made < 0 ? dup(file) : made, length: bytes.count)
    }

    deinit {
        close(file)
        if let arenaBuffer { close(arenaBuffer.descriptor) }
    }

    func readDescriptor(forStorage index: Int) -> Int32 { file }
}
