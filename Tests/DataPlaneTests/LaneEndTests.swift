import Digest
import Glibc
import Records
import Testing

@testable import DataPlane

@Suite("Lanes end")
struct LaneEndTests {
    private static let content = [FileContent.pattern(1_000_000, seed: 9)]

    /// So slow that a transfer never ends by itself while a test runs.
    private static func slowRig() throws -> LaneRig {
        try LaneRig(content, chunkSize: 65_536) { $0.bytesPerSecond = 300_000 }
    }

    @Test("A wrong session key and an unknown lease are refused alike", arguments: LaneTransferTests.lanes)
    func refusals(_ kind: LaneKind) async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 1)])
        let wrong = [
            rig.opening(kind, sessionKey: testDigest(9)), rig.opening(kind, lease: LeaseID(testDigest(9))),
        ]
        var seen = 0
        for opening in wrong {
            let lane = try Lanes.open(opening, into: rig.target())
            lane.read(chunk: 0)
            let before = seen
            #expect(await eventually { rig.events.all.dropFirst(before).contains(.closed(opening.tag)) })
            let events = Array(rig.events.all.dropFirst(seen))
            seen += events.count
            #expect(events.first == .openFailed(opening.tag, .refused))
            // The refusal may come before the read does, which then finds a lane that has ended.
            for event in events.dropFirst().dropLast() {
                if case .failed(_, 0, .connectionLost) = event {} else { Issue.record("\(event)") }
            }
        }
        #expect(rig.sink.written.isEmpty)
        await rig.tearDown()
    }

    @Test("The end of a lease fails the reads in flight at once, and nothing lands afterwards")
    func leaseEnds() async throws {
        let rig = try Self.slowRig()
        let lane = try rig.open(.tcp, integrity: .crc)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes >= 1 })
        rig.server.end(rig.lease)
        await expectAllEnded(rig)
        await rig.tearDown()
    }

    @Test("A source that stops in mid-transfer fails the reads in flight", arguments: LaneTransferTests.lanes)
    func serverStops(_ kind: LaneKind) async throws {
        let rig = try Self.slowRig()
        let lane = try rig.open(kind, integrity: .crc)
        #expect(await eventually { rig.events.isOpened })
        if kind == .tcp { rig.readAll(lane) }
        await offPool { rig.server.stop() }
        #expect(await eventually { rig.events.isClosed })
        if kind == .sharedMemory { rig.readAll(lane) }
        #expect(await eventually { rig.events.outcomes == rig.content.layout.chunkCount })
        await rig.tearDown()
    }

    @Test("The owner's close ends the lane, each read once", arguments: LaneTransferTests.lanes)
    func ownerCloses(_ kind: LaneKind) async throws {
        let rig = try Self.slowRig()
        let lane = try rig.open(kind, integrity: .crc)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes >= 1 })
        lane.close()
        lane.close()
        await expectAllEnded(rig)
        let count = rig.events.all.count
        lane.read(chunk: 0)
        #expect(rig.events.all.count == count + 1)
        await rig.tearDown()
    }

    @Test("The end of a lease closes the shared memory lane and its descriptors")
    func sharedMemoryLeaseEnds() async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 1)])
        let lane = try rig.open(.sharedMemory)
        #expect(await eventually { rig.events.isOpened })
        rig.server.end(rig.lease)
        #expect(await eventually { rig.events.isClosed })
        lane.read(chunk: 0)
        #expect(rig.events.outcomes == 1)
        #expect(rig.sink.written.isEmpty)
        await rig.tearDown()
    }

    @Test("A file that shrinks ends the TCP lane with an error, and no byte is made up")
    func truncatedOverTCP() async throws {
        let rig = try LaneRig([FileContent.pattern(20_000, seed: 2)])
        try rig.content.truncate(storage: 0, to: 9000)
        let lane = try rig.open(.tcp)
        lane.read(chunk: 3)
        #expect(await eventually { rig.events.isClosed })
        guard case .sourceFailed = rig.events.failures[3] else {
            Issue.record("\(rig.events.all)")
            return
        }
        #expect(rig.sink.written.isEmpty)
        await rig.tearDown()
    }

    @Test("A file that is too short is refused when its descriptor comes, and later when it is read")
    func truncatedInSharedMemory() async throws {
        let rig = try LaneRig([FileContent.pattern(20_000, seed: 2)])
        let lane = try rig.open(.sharedMemory)
        #expect(await eventually { rig.events.isOpened })
        try rig.content.truncate(storage: 0, to: 9000)
        lane.read(chunk: 3)
        lane.read(chunk: 0)
        #expect(await eventually { rig.events.outcomes == 2 })
        #expect(rig.events.verified == [0])
        guard case .sourceFailed = rig.events.failures[3] else {
            Issue.record("\(rig.events.all)")
            return
        }
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        _ = try rig.open(.sharedMemory)
        #expect(await eventually { rig.events.openFailure != nil })
        guard case .unsuitableDescriptor = rig.events.openFailure else {
            Issue.record("\(rig.events.all)")
            return
        }
        await rig.tearDown()
    }

    @Test("A descriptor through which we could write is refused")
    func writableDescriptor() async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 2)])
        let writable = try FileContent(
            [FileContent.pattern(100, seed: 2)], chunkSize: 4096, in: rig.folder.path, flags: O_RDWR)
        rig.server.admit(
            ServedLease(
                lease: rig.lease, sessionKey: rig.sessionKey, window: 8, content: writable, layout: writable.layout,
                availability: rig.availability))
        _ = try rig.open(.sharedMemory)
        #expect(await eventually { rig.events.isClosed })
        #expect(
            rig.events.openFailure == .unsuitableDescriptor(storage: "file-0000", why: "it is not read-only"))
        await rig.tearDown()
    }

    @Test("Nobody at the address is told as such", arguments: LaneTransferTests.lanes)
    func nobodyThere(_ kind: LaneKind) async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 2)])
        await offPool { rig.server.stop() }
        _ = try rig.open(kind)
        #expect(await eventually { rig.events.isClosed })
        guard case .unreachable = rig.events.openFailure else {
            Issue.record("\(rig.events.all)")
            return
        }
        await rig.tearDown()
    }

    @Test("A source that hangs before it answers doesn't keep its lane from closing")
    func hungSource() async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 2)])
        // The kernel completes connections of a listener that nobody serves.
        let hung = try SocketEndpoints.listenTCP(address: "127.0.0.1", port: 0)
        let opening = LaneOpening(
            tag: rig.opening(.tcp).tag, offer: LaneOffer(kind: .tcp, address: "localhost", port: hung.port),
            sessionKey: rig.sessionKey, window: 8, hostSocketDirectory: nil)
        let lane = try Lanes.open(opening, into: rig.target())
        lane.read(chunk: 0)
        #expect(await eventually { SocketEndpoints.hasWaiting(hung.socket) })
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        #expect(rig.events.openFailure == nil)
        #expect(rig.events.failures[0] == .connectionLost("the lane was closed here"))
        await rig.tearDown()
    }

    @Test("A socket's name that leads out of the folder is refused")
    func pathTraversal() async throws {
        let rig = try LaneRig([FileContent.pattern(100, seed: 2)])
        let offer = LaneOffer(kind: .sharedMemory, address: "../../run/other.sock", port: 0)
        let opening = LaneOpening(
            tag: rig.opening(.sharedMemory).tag, offer: offer, sessionKey: rig.sessionKey, window: 8,
            hostSocketDirectory: rig.folder.path)
        _ = try Lanes.open(opening, into: rig.target())
        #expect(await eventually { rig.events.isClosed })
        guard case .protocolViolation = rig.events.openFailure else {
            Issue.record("\(rig.events.all)")
            return
        }
        await rig.tearDown()
    }

    /// Each chunk has one outcome, the last event is `closed`, and only verified chunks are in the sink.
    private func expectAllEnded(_ rig: LaneRig) async {
        #expect(await eventually { rig.events.isClosed })
        #expect(rig.events.outcomes == rig.content.layout.chunkCount)
        #expect(!rig.events.failures.isEmpty || rig.events.verified.count == rig.content.layout.chunkCount)
        for failure in rig.events.failures.values {
            if case .connectionLost = failure {} else { Issue.record("a read ended with \(failure)") }
        }
        #expect(rig.sink.written.keys.sorted() == rig.events.verified.sorted())
    }
}

extension SocketEndpoints {
    /// Whether a connection waits to be accepted.
    fileprivate static func hasWaiting(_ listener: Socket) -> Bool {
        (try? listener.wait(for: POLLIN, until: 0)) != nil
    }
}
