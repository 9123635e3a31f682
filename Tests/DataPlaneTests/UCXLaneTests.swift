import Arena
import Digest
import EventThread
import Glibc
import Records
import Telemetry
import Testing
import Transfer

@testable import DataPlane

/// With real devices and UCX: run in the guest of Tests/RDMA, and skipped where there are none.
@Suite("Lanes over UCX, on a fabric that the operator trusts", .enabled(if: Devices.areThere), .serialized)
struct UCXLaneTests {
    static func world(_ sizes: [Int] = VerbsLaneTests.sizes, trusts: Bool = true) throws -> VerbsLaneTests.World {
        let ucx = try Devices.ucx.get()
        return try VerbsLaneTests.world(sizes) { if trusts { $0.ucx = ucx } }
    }

    @Test("Every byte arrives in place, and each port brings a share", arguments: [LaneIntegrity.full, .crc])
    func content(_ integrity: LaneIntegrity) async throws {
        let world = try Self.world()
        try await VerbsLaneTests.fill(world, over: .ucx, integrity)
        let paths = world.rig.events.all.compactMap { if case .paths(_, let paths) = $0 { paths } else { nil } }
        #expect(paths.first?.allSatisfy { $0.contains("rc_verbs") } == true)
    }

    @Test("A destination without memory is filled through buffers")
    func buffers() async throws {
        let ucx = try Devices.ucx.get()
        try await VerbsLaneTests.fillThroughBuffers(over: .ucx) { $0.ucx = ucx }
    }

    @Test("A source that doesn't trust its fabric declines, with what to do")
    func untrusting() async throws {
        let world = try Self.world([100], trusts: false)
        var opening = world.rig.opening(.ucx)
        opening.ucx = try Devices.ucx.get()
        let lane = try Lanes.open(opening, into: world.rig.target())
        #expect(await eventually { world.rig.events.isClosed })
        #expect(world.rig.events.openFailure?.reason == "declined")
        #expect(world.rig.events.openFailure?.description.contains("MX_FABRIC=trusted") == true)
        lane.close()
        await world.rig.tearDown()
    }

    @Test("A reader that doesn't trust its fabric has no such lane")
    func untrustingReader() async throws {
        let world = try Self.world([100], trusts: false)
        #expect(throws: LaneError.unsupported(.ucx)) { try world.rig.open(.ucx) }
        await world.rig.tearDown()
    }

    @Test("Without the lease's key nothing is told")
    func strangers() async throws {
        let world = try Self.world([100])
        let lane = try Lanes.open(world.rig.opening(.ucx, sessionKey: testDigest(9)), into: world.rig.target())
        #expect(await eventually { world.rig.events.isClosed })
        #expect(world.rig.events.openFailure == .refused)
        lane.close()
        await world.rig.tearDown()
    }

    @Test("No UCX is used where the operator's own variables leave no RDMA")
    func emulation() throws {
        #expect(throws: RDMAError.self) {
            try UCXFabric(UCXSettings(["UCX_TLS": "tcp"]), ports: try Devices.required())
        }
    }

    // MARK: What trusting gives up

    @Test("A lease's reader can write what it may read: UCX's keys let it")
    func writes() async throws {
        let world = try Self.world([1 << 16])
        let outcomes = try await offPool {
            Result { () throws -> (Int32?, [UInt8], Int32?) in
                let reader = try HostileUCXReader(world.rig, world.fabric)
                let read = reader.get()
                let brought = reader.bytes
                reader.bytes = [UInt8](repeating: 0xEE, count: 8)
                let written = reader.put(at: 8)
                // A write ends when it has left; what is read after it on the same queue pair tells that it has arrived.
                return (read, brought, written == 0 ? reader.get(at: 8) : written)
            }
        }.get()
        #expect(outcomes.0 == 0)
        #expect(outcomes.1 == Array(world.bytes.prefix(8)))
        #expect(outcomes.2 == 0)
        let content = VerbsLaneTests.content(of: world.source)
        #expect(Array(content[8..<16]) == [UInt8](repeating: 0xEE, count: 8))
        await world.rig.tearDown()
    }

    @Test(
        "The end of a lease ends its reader's connection, and not its key: over another lease that goes on opening the content"
    )
    func ended() async throws {
        let world = try Self.world([1 << 16])
        let other = (lease: LeaseID(testDigest(17)), key: testDigest(18))
        // To other content of the same source.
        let elsewhere = try ArenaLaneTests.filled(try ArenaLaneTests.layout([64])).0
        world.rig.server.admit(
            ServedLease(
                lease: other.lease, sessionKey: other.key, window: 8, content: elsewhere, layout: elsewhere.layout,
                availability: ChunkAvailability(complete: elsewhere.layout)))
        let outcomes = try await offPool {
            Result { () throws -> [Int32?] in
                let reader = try HostileUCXReader(world.rig, world.fabric)
                let accomplice = try HostileUCXReader(
                    world.rig, world.fabric, lease: other.lease, sessionKey: other.key)
                let first = reader.get()
                // A spare one takes the place of the one that ends, so its metric doesn't tell; the connection does.
                let deadline = MonotonicClock.now() + 20_000_000_000
                world.rig.server.end(world.rig.lease)
                while world.rig.server.connectionCount > 1, MonotonicClock.now() < deadline {}
                usleep(500_000)
                return [first, reader.get(), accomplice.get(by: reader.rail, at: 8)]
            }
        }.get()
        #expect(outcomes[0] == 0)
        #expect(outcomes[1].map { $0 < 0 } == true)
        #expect(outcomes[2] == 0)
        await world.rig.tearDown()
    }

    @Test("A read past the content's end is refused even so", arguments: [65_536, 1 << 30] as [UInt64])
    func bounds(_ offset: UInt64) async throws {
        let world = try Self.world([1 << 16])
        let status = try await offPool {
            Result { try HostileUCXReader(world.rig, world.fabric).get(at: offset) }
        }.get()
        #expect(status.map { $0 < 0 } == true)
        await world.rig.tearDown()
    }

    // MARK: Endings

    @Test("A lease that ends closes its lane at once")
    func endedLane() async throws {
        try await VerbsLaneTests.endLease(try Self.world().rig, .ucx)
    }

    @Test("A lane that is closed by force in the middle of reads writes nothing after its end")
    func forced() async throws {
        let ucx = try Devices.ucx.get()
        try await VerbsLaneTests.closeInTheMiddle(.ucx) { $0.ucx = ucx }
    }

    @Test("Fifty leases leave no endpoint, registration or connection behind")
    func leaks() async throws {
        let world = try Self.world([1 << 16])
        let ucx = try Devices.ucx.get()
        let devices = ucx.readers.map(\.device)
        for number in 0..<50 {
            let events = EventRecorder()
            let lease = LeaseID(BLAKE2b.digest([UInt8(number), 1]))
            world.rig.server.admit(
                ServedLease(
                    lease: lease, sessionKey: world.rig.sessionKey, window: 8, content: world.source,
                    layout: world.source.layout, availability: ChunkAvailability(complete: world.source.layout)))
            let lane = try Lanes.open(world.rig.opening(.ucx, lease: lease), into: world.rig.target(events: events))
            // Some are closed while they open.
            if number % 5 != 4 {
                #expect(await eventually { events.isOpened || events.isClosed })
                lane.read(chunk: 0)
                #expect(await eventually { events.outcomes == 1 })
                #expect(events.failures.isEmpty)
            } else {
                try await Task.sleep(nanoseconds: UInt64(number) * 2_000_000)
            }
            // Either side may end it.
            if number % 2 == 0 { lane.close() } else { world.rig.server.end(lease) }
            #expect(await eventually { events.isClosed })
            lane.close()
            world.rig.server.end(lease)
        }
        #expect(devices.allSatisfy { $0.endpoints.value == 0 })
        #expect(await eventually { devices.allSatisfy { $0.workers.value <= 2 } })
        #expect(await eventually { world.rig.server.connectionCount == 0 })
        await world.rig.tearDown()
    }
}
