import CLinux
import Digest
import EventThread
import Glibc
import Records
import Telemetry
import Testing

@testable import DataPlane

@Suite("A source defends its lanes")
struct LaneServerTests {
    private static let files = [FileContent.pattern(20_000, seed: 1)]

    private func expectServes(_ rig: LaneRig, _ kind: LaneKind = .tcp) async throws {
        let before = rig.events.outcomes
        let lane = try rig.open(kind, integrity: .crc)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == before + rig.content.layout.chunkCount })
        #expect(rig.sink.content == rig.content.bytes)
        lane.close()
    }

    @Test("Garbage is answered by closing, and others are served", arguments: LaneTransferTests.lanes)
    func garbage(_ kind: LaneKind) async throws {
        let rig = try LaneRig(Self.files)
        let raw = try await RawReader(rig, kind)
        for bytes in [Array("GET / HTTP/1.1\r\nHost: example\r\n\r\n".utf8), FileContent.pattern(200, seed: 4)] {
            let reader = try await RawReader(rig, kind)
            let padded = bytes + [UInt8](repeating: 0x20, count: max(0, LaneHello.size - bytes.count))
            #expect(await offPool { reader.send(padded) })
            #expect(await offPool { reader.isClosed() })
        }
        withExtendedLifetime(raw) {}
        try await expectServes(rig, kind)
        await rig.tearDown()
    }

    @Test("A request that makes no sense ends its connection")
    func garbageRequest() async throws {
        let rig = try LaneRig(Self.files)
        let reader = try await RawReader(rig, .tcp)
        #expect(await offPool { reader.shakeHands(rig) })
        #expect(await offPool { reader.send([UInt8](repeating: 0xEE, count: LaneRequest.size)) })
        #expect(await offPool { reader.isClosed() })
        await rig.tearDown()
    }

    @Test("A chunk outside the layout is answered, and the connection goes on")
    func outOfRange() async throws {
        let rig = try LaneRig(Self.files)
        let reader = try await RawReader(rig, .tcp)
        #expect(await offPool { reader.shakeHands(rig) })
        let answers: [LaneResponse?] = await offPool {
            [UInt64(5), .max].map { chunk in
                guard reader.send(LaneRequest(id: 77, chunk: chunk).encoded) else { return nil }
                return reader.receive(LaneResponse.size).flatMap { try? LaneResponse(decoding: $0) }
            }
        }
        #expect(answers == [LaneResponse](repeating: LaneResponse(status: .outOfRange, id: 77, length: 0), count: 2))
        await rig.tearDown()
    }

    @Test("More requests than twice the window end the connection")
    func flood() async throws {
        let rig = try LaneRig(Self.files, window: 2)
        let reader = try await RawReader(rig, .tcp)
        #expect(await offPool { reader.shakeHands(rig) })
        let requests = (0..<500).flatMap { LaneRequest(id: UInt32($0), chunk: 0).encoded }
        _ = await offPool { reader.send(requests) }
        #expect(await eventually { rig.server.connectionCount == 0 })
        await rig.tearDown()
    }

    @Test("Connections that say nothing are bounded and time out")
    func silentConnections() async throws {
        let rig = try LaneRig(Self.files) {
            $0.maximumConnections = 4
            $0.handshakeTimeout = 300_000_000
        }
        var silent: [RawReader] = []
        for _ in 0..<50 {
            // Those over the bound are reset so soon that connecting may fail already.
            if let reader = try? await RawReader(rig, .tcp) { silent.append(reader) }
        }
        #expect(silent.count >= 4)
        #expect(rig.server.connectionCount <= 4)
        #expect(await eventually { rig.server.connectionCount == 0 })
        let all = silent
        #expect(await offPool { all.allSatisfy { $0.isClosed() } })
        try await expectServes(rig)
        await rig.tearDown()
    }

    @Test("A flood of connections that say nothing does not keep readers out")
    func idleFlood() async throws {
        let rig = try LaneRig(Self.files) { $0.maximumConnections = 64 }
        let flood = IdleFlood(port: rig.server.tcpPort)
        let flooding = Task { await offPool { flood.run() } }
        #expect(await eventually { flood.count >= IdleFlood.open })
        for _ in 0..<3 { try await expectServes(rig) }
        #expect(rig.server.connectionCount <= LaneLimits.unprovedConnections + LaneLimits.leaseConnections)
        flood.stop()
        await flooding.value
        await rig.tearDown()
    }

    @Test("A lease's fifth connection ends its first, the others live on")
    func connectionsOfLease() async throws {
        let rig = try LaneRig(Self.files)
        var readers: [RawReader] = []
        for _ in 0...LaneLimits.leaseConnections {
            let reader = try await RawReader(rig, .tcp)
            #expect(await offPool { reader.shakeHands(rig) && reader.asks() })
            readers.append(reader)
        }
        let (first, others) = (readers[0], readers.dropFirst())
        #expect(await offPool { first.isClosed() })
        #expect(await offPool { others.allSatisfy { $0.asks() } })
        #expect(rig.server.connectionCount == LaneLimits.leaseConnections)
        await rig.tearDown()
    }

    @Test("A reader that never finishes its hello is cut off however slowly it goes on")
    func slowLoris() async throws {
        let rig = try LaneRig(Self.files) { $0.handshakeTimeout = 200_000_000 }
        let reader = try await RawReader(rig, .tcp)
        let hello = LaneHello(kind: .tcp, lease: rig.lease, nonce: testDigest(3)).encoded
        // The time-out may have come before it.
        _ = await offPool { reader.send(Array(hello.prefix(40))) }
        #expect(await offPool { reader.isClosed() })
        await rig.tearDown()
    }

    @Test("A proof for an unknown lease meets the same end as a wrong one")
    func indistinguishable() async throws {
        let rig = try LaneRig(Self.files)
        for lease in [rig.lease, LeaseID(testDigest(99))] {
            let reader = try await RawReader(rig, .tcp)
            let answer: LaneAnswer? = await offPool {
                let hello = LaneHello(kind: .tcp, lease: lease, nonce: testDigest(3))
                guard reader.send(hello.encoded), let bytes = reader.receive(LaneAnswer.size),
                    reader.send([UInt8](repeating: 0, count: 32)), reader.isClosed()
                else { return nil }
                return try? LaneAnswer(decoding: bytes)
            }
            #expect(answer != nil)
        }
        await rig.tearDown()
    }

    @Test("Sockets of killed peers are removed, living ones and other files stay")
    func staleSockets() async throws {
        let rig = try LaneRig(Self.files)
        let stale = rig.folder.path + "/" + HostSocketDirectory.socketName(of: PeerID(testDigest(0x55)))
        // A socket that listened and whose process closed it without unlinking, as a kill does.
        do { _ = try SocketEndpoints.listenUnix(path: stale) }
        #expect(access(stale, F_OK) == 0)
        var configuration = LaneServer.Configuration(peer: PeerID(testDigest(0x66)))
        configuration.tcpBindAddress = "127.0.0.1"
        configuration.hostSocketDirectory = rig.folder.path
        let other = try LaneServer(configuration: configuration) { _, _ in }
        #expect(access(stale, F_OK) != 0)
        #expect(access(rig.folder.path + "/file-0000", F_OK) == 0)
        try await expectServes(rig, .sharedMemory)
        await offPool { other.stop() }
        #expect(access(rig.folder.path + "/" + (other.socketName ?? ""), F_OK) != 0)
        await rig.tearDown()
    }

    @Test("The socket is for its owner only")
    func socketMode() async throws {
        let rig = try LaneRig(Self.files)
        var status = stat()
        #expect(lstat(rig.folder.path + "/" + (rig.server.socketName ?? ""), &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(rig.server.socketName == String(repeating: "01", count: 16) + ".sock")
        await rig.tearDown()
    }

    @Test("A port that is taken, an unsafe folder and a path too long say what to do")
    func refusedConfigurations() async throws {
        let rig = try LaneRig(Self.files)
        var configuration = LaneServer.Configuration(peer: PeerID(testDigest(2)))
        configuration.tcpBindAddress = "127.0.0.1"
        configuration.tcpPort = rig.server.tcpPort
        #expect(throws: LaneServerError.addressInUse(address: "127.0.0.1", port: rig.server.tcpPort)) {
            try LaneServer(configuration: configuration) { _, _ in }
        }
        configuration.tcpPort = 0
        let open = rig.folder.path + "/open"
        mkdir(open, 0o777)
        chmod(open, 0o777)
        configuration.hostSocketDirectory = open
        #expect(
            throws: LaneServerError.unsafeDirectory(path: open, why: "others may write to it and it isn't sticky")
        ) {
            try LaneServer(configuration: configuration) { _, _ in }
        }
        let long = rig.folder.path + "/" + String(repeating: "a", count: 80)
        configuration.hostSocketDirectory = long
        #expect(throws: LaneServerError.self) { try LaneServer(configuration: configuration) { _, _ in } }
        await rig.tearDown()
    }
}

/// A connection that says what a test wants.
private final class RawReader: Sendable {
    private static let patience: UInt64 = 20_000_000_000
    private let socket: Socket
    private let kind: LaneKind

    init(_ rig: LaneRig, _ kind: LaneKind) async throws {
        self.kind = kind
        let port = rig.server.tcpPort
        let path = rig.folder.path + "/" + (rig.server.socketName ?? "")
        let connected: Socket? = await offPool {
            kind == .tcp
                ? try? SocketEndpoints.connectTCP(host: "127.0.0.1", port: port) { _ in true }
                : try? SocketEndpoints.connectUnix(path: path)
        }
        guard let connected else { throw TestFailure("can't connect") }
        socket = connected
    }

    func send(_ bytes: [UInt8]) -> Bool {
        (try? socket.send(bytes, until: MonotonicClock.now() + Self.patience)) != nil
    }

    func receive(_ count: Int) -> [UInt8]? {
        try? socket.receive(count, until: MonotonicClock.now() + Self.patience)
    }

    /// Whether the source ends the connection before patience does.
    func isClosed() -> Bool {
        do {
            while true { _ = try socket.receive(1, until: MonotonicClock.now() + Self.patience) }
        } catch {
            return error == .ended
        }
    }

    func shakeHands(_ rig: LaneRig) -> Bool {
        (try? rig.opening(kind).shakeHands(over: socket)) != nil
    }

    /// Whether the source answers a request.
    func asks() -> Bool {
        send(LaneRequest(id: 1, chunk: .max).encoded) && receive(LaneResponse.size) != nil
    }
}

/// Connects again and again and says nothing.
private final class IdleFlood: Sendable {
    /// Connections held open at a time.
    static let open = 200
    private let port: UInt16
    private let state = Guarded((count: 0, isStopped: false))

    init(port: UInt16) { self.port = port }

    var count: Int { state.withLock { $0.count } }

    func stop() { state.withLock { $0.isStopped = true } }

    func run() {
        var held: [Socket] = []
        while !state.withLock({ $0.isStopped }) {
            guard let socket = try? SocketEndpoints.connectTCP(host: "127.0.0.1", port: port, using: { _ in true })
            else { continue }
            held.append(socket)
            if held.count > Self.open { held.removeFirst() }
            let count = state.withLock { state in
                state.count += 1
                return state.count
            }
            // A thousand connections a second once the first wave is over.
            if count > Self.open { poll(nil, 0, 1) }
        }
    }
}
