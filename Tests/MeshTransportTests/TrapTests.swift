import EventThread
import Glibc
import MeshAttacker
import Records
import Signing
import Telemetry
import Testing
import ZeroMQ

@testable import MeshTransport

/// What libzmq 4.3.4 does to those who trust it (full queues, endless messages, storms), on real sockets.
@Suite("libzmq's traps", .serialized)
struct TrapTests {
    @Test(
        "A paused listener costs the publisher nothing: sends go on, the loss is silent, and the count shows it afterwards"
    )
    func slowListener() async throws {
        let (publisher, listener) = (try await SocketPeer(), try await SocketPeer())
        try await publisher.meet(listener)
        try await listener.meet(publisher)
        try await publisher.reachByGossip(listener, from: 0)
        let pause = Pause()
        listener.thread.post { pause.wait() }
        // More than both queues and what the kernel buffers between them.
        let last: UInt64 = 10_000
        try await publisher.publish(1_000...last, to: listener, bytes: 8_000)
        // The publisher's thread is free: it got to the last one, and answers.
        #expect(try await publisher.with { $0.isClosed } == false)
        pause.end()
        try await publisher.reachByGossip(listener, from: last)
        let heard = listener.gossip.all
        #expect(heard.count < 9_000, "something was dropped")
        #expect(heard == heard.sorted())
        let holes = zip(heard, heard.dropFirst()).reduce(0) { $0 + $1.1 - $1.0 - 1 }
        #expect(holes > 0, "who counts sees it")
        for peer in [publisher, listener] { try await peer.close() }
    }

    @Test("A full control queue drops, blocks nobody, holds no more than its bound, and serves others meanwhile")
    func fullControlQueue() async throws {
        let (here, paused, other) = (try await SocketPeer(), try await SocketPeer(), try await SocketPeer())
        for peer in [paused, other] {
            try await here.meet(peer)
            try await peer.meet(here)
            try await here.reach(peer, number: 1)
        }
        let pause = Pause()
        paused.thread.post { pause.wait() }
        let before = Holdings.now()
        let page = ControlMessage.give(frames: [[UInt8]](repeating: [UInt8](repeating: 1, count: 30_000), count: 16))
        for _ in 0..<1_000 { try await here.send(page, to: paused) }
        try await here.reach(other, number: 2)
        // Two queues of 48 pages of half a megabyte on each of two ways, of the 500 MB that were sent.
        #expect(Holdings.now().anonymous < before.anonymous + 150 << 20)
        pause.end()
        try await here.reach(paused, number: 3)
        for peer in [here, paused, other] { try await peer.close() }
    }

    @Test("A message without an end, which libzmq would keep in memory without a bound, is cut with its connection")
    func endlessMessage() async throws {
        let rig = try await PlainRouter()
        let cut = counted("modelexpress_mesh_connections_cut_total{reason=\"unread\",socket=\"control\"}")
        let client = try RawClient(port: rig.port)
        let before = Holdings.now()
        // 60 kB parts with the flag "more", until the other side closes.
        let sent = try await offPool { client.sendParts(size: 60_000, limit: 1 << 30) }
        #expect(sent < 1 << 30)
        try await eventually("it is counted") {
            counted("modelexpress_mesh_connections_cut_total{reason=\"unread\",socket=\"control\"}") == cut + 1
        }
        #expect(Holdings.now().anonymous < before.anonymous + UInt64(sent) + 100 << 20)
        try await rig.close()
    }

    @Test("A neighbour that binds and closes again and again leaves no descriptor, thread or memory behind")
    func neighbourStorm() async throws {
        let here = try await SocketPeer()
        var before = Holdings.now()
        for round in 0..<30 {
            let other = try await SocketPeer()
            try await here.meet(other)
            try await other.meet(here)
            try await here.reach(other, number: 1)
            try await other.close()
            let id = other.id
            try await here.with { $0.disconnect(id) }
            if round == 4 { before = Holdings.now() }
        }
        try await settle(before)
        try await here.close()
    }

    @Test("Two hundred clients that connect and vanish leave no descriptor, thread or memory behind")
    func clientStorm() async throws {
        let (here, neighbour) = (try await SocketPeer(), try await SocketPeer())
        try await here.meet(neighbour)
        try await neighbour.meet(here)
        try await here.reach(neighbour, number: 1)
        let rig = try AttackRig()
        let (port, server) = (here.endpoints.controlPort, here.key)
        var before = Holdings.now()
        for round in 0..<5 {
            try await rig.perform { rig in
                for _ in 0..<200 {
                    let link = try rig.open(.dealer, toPort: port, of: server, as: .unknown())
                    _ = rig.send([AttackRig.garbage(round)], on: link)
                }
            }
            try await eventually("the address is at its bound") {
                try await here.with { $0.admissions.probationCount } >= TransportLimits.probationOfAddress
            }
            try await rig.perform { rig in for link in rig.linkNumbers { rig.close(link) } }
            if round == 0 { before = Holdings.now() }
        }
        try await settle(before)
        #expect(try await here.with { $0.admissions.probationCount } <= TransportLimits.probationOfAddress)
        #expect(neighbour.disconnected.all.isEmpty && here.disconnected.all.isEmpty)
        try await here.reach(neighbour, number: 2)
        rig.close()
        for peer in [here, neighbour] { try await peer.close() }
    }

    @Test("A listener of ours that subscribes without end is cut, and what libzmq kept of it is freed")
    func subscriptions() async throws {
        let (here, other) = (try await SocketPeer(), try await SocketPeer())
        try await here.meet(other)
        try await other.meet(here)
        try await here.reachByGossip(other, from: 0)
        let rig = try AttackRig()
        let keys = AttackKeys(publicKey: other.key, secretKey: other.secrets.curveSecretKey)
        let (port, server) = (here.endpoints.gossipPort, here.key)
        let dropped = counted("modelexpress_mesh_frames_dropped_total{reason=\"over_budget\",socket=\"gossip\"}")
        let link = try await rig.perform { try $0.open(.xsub, toPort: port, of: server, as: keys) }
        try await eventually("it is connected") { try await rig.perform { $0.link(link)?.handshakes == 1 } }
        await rig.flood(rate: 10_000, nanoseconds: Duration64.second) { rig, number in
            _ = rig.send([[1] + AttackRig.garbage(number)], on: link)
        }
        try await eventually("it is refused") { try await rig.perform { ($0.link(link)?.refusals ?? 0) > 0 } }
        #expect(counted("modelexpress_mesh_frames_dropped_total{reason=\"over_budget\",socket=\"gossip\"}") > dropped)
        rig.close()
        for peer in [here, other] { try await peer.close() }
    }

    /// Waits until as much is held as before, give or take what the allocator and the runtime keep.
    private func settle(_ before: Holdings) async throws {
        try await eventually("descriptors and threads are as before") {
            let now = Holdings.now()
            return now.descriptors <= before.descriptors + 8 && now.threads <= before.threads + 2
        }
        #expect(Holdings.now().anonymous < before.anonymous + 32 << 20)
    }
}

/// Holds a thread up until the test lets it go.
///
/// `@unchecked Sendable`: the semaphore is made before anybody waits and destroyed when nobody can.
private final class Pause: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func wait() { while sem_wait(semaphore) != 0 {} }

    func end() { sem_post(semaphore) }
}

/// A watched ROUTER without CURVE, to which a client of a few lines can talk.
///
/// `@unchecked Sendable`: everything but the thread and the port is touched on the thread only.
private final class PlainRouter: @unchecked Sendable {
    private let thread: EventThread
    private let context: ZeroMQContext
    private let portFound = Guarded<UInt16>(0)
    private var watched: WatchedSocket?
    private var isClosed = false

    init() async throws {
        thread = try EventThread(name: "plain-router")
        context = try ZeroMQContext()
        try thread.run()
        try await thread.perform {
            var options = ZeroMQSocketOptions()
            options.receiveHighWater = TransportLimits.controlQueue
            let watched = try WatchedSocket(
                context: self.context, loop: ZeroMQLoop(thread: self.thread), kind: .router, options: options,
                role: .control, metrics: TransportMetrics()
            ) { socket, message in socket.count(message, from: nil) }
            self.watched = watched
            let bound = try watched.socket.bind("tcp://127.0.0.1:*")
            self.portFound.withLock { $0 = bound.split(separator: ":").last.flatMap { UInt16($0) } ?? 0 }
            self.watch()
        }
    }

    var port: UInt16 { portFound.withLock { $0 } }

    private func watch() {
        guard !isClosed else { return }
        watched?.watch(now: MonotonicClock.now())
        thread.schedule(after: TransportLimits.strangerWatchPeriod) { self.watch() }
    }

    func close() async throws {
        try await thread.perform {
            self.isClosed = true
            self.watched?.close()
        }
        let thread = thread
        try await offPool { thread.stop() }
        context.terminate()
    }
}

/// Speaks ZMTP 3.0 without security, as far as it goes.
private final class RawClient: Sendable {
    private let descriptor: Int32

    init(port: UInt16) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        let status = Loopback.with(port: port) { connect(descriptor, $0, $1) }
        try #require(status == 0)
        var greeting = [UInt8](repeating: 0, count: 64)
        greeting.replaceSubrange(0..<1, with: [0xFF])
        greeting.replaceSubrange(9..<16, with: [0x7F, 3, 0] + Array("NULL".utf8))
        try #require(send(descriptor, greeting, 64, Int32(MSG_NOSIGNAL)) == 64)
        try #require(recv(descriptor, &greeting, 64, Int32(MSG_WAITALL)) == 64)
        let ready =
            [5] + Array("READY".utf8) + [11] + Array("Socket-Type".utf8) + [0, 0, 0, 6] + Array("DEALER".utf8)
        let command = [4, UInt8(ready.count)] + ready
        try #require(send(descriptor, command, command.count, Int32(MSG_NOSIGNAL)) == command.count)
    }

    deinit { close(descriptor) }

    /// Sends parts of one message; returns how many bytes until the connection ended, or the limit.
    func sendParts(size: Int, limit: Int) -> Int {
        let head = [3] + (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * $0)) }
        let part = head + [UInt8](repeating: 1, count: size)
        var sent = 0
        while sent < limit {
            let count = send(descriptor, part, part.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { break }
            sent += count
        }
        return sent
    }
}
