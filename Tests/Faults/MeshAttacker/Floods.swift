import EventThread
import Glibc
import MeshTransport
package import Records
import ZeroMQ

/// What is done to a peer, for some seconds, at some rate.
package enum Flood: String, CaseIterable, Sendable {
    /// Garbage on the control port, each time with a key that nobody vouches for.
    case controlStranger = "control-stranger"
    /// Garbage on the control port from a certified neighbour.
    case controlPeer = "control-peer"
    /// Handshakes on the gossip port, with keys that nobody vouches for.
    case gossipStranger = "gossip-stranger"
    /// Garbage in the gossip of a certified neighbour.
    case gossipPeer = "gossip-peer"
    /// Well-formed beacons in the gossip of a certified neighbour, none of them rightly signed.
    case gossipForged = "gossip-forged"
    /// Ever new subscriptions of a certified neighbour.
    case subscriptions
    /// TCP connections to the bootstrap port: silent ones, garbage, halves of requests.
    case bootstrap
    /// TCP connections to the control port that never speak CURVE.
    case connections
}

/// Carries out floods against one peer, as which `hostile` is a neighbour.
package struct Flooder: Sendable {
    package let rig: AttackRig
    package let hostile: HostilePeer
    package let victim: PeerID
    package let key: CurveKey
    package let endpoints: Endpoints

    package init(hostile: HostilePeer, victim: PeerID, key: CurveKey, endpoints: Endpoints) throws {
        rig = try AttackRig()
        self.hostile = hostile
        self.victim = victim
        self.key = key
        self.endpoints = endpoints
    }

    /// Returns how many messages or connections went out.
    package func run(_ flood: Flood, rate: Int, nanoseconds: UInt64) async throws -> Int {
        switch flood {
        case .controlStranger: try await strangers(.dealer, endpoints.controlPort, rate, nanoseconds)
        case .gossipStranger: try await strangers(.xsub, endpoints.gossipPort, rate, nanoseconds)
        case .controlPeer:
            try await certified(.dealer, endpoints.controlPort, rate, nanoseconds) { [AttackRig.garbage($0)] }
        case .subscriptions:
            try await certified(.xsub, endpoints.gossipPort, rate, nanoseconds) { [[1] + AttackRig.garbage($0)] }
        case .gossipPeer: try await gossip(rate, nanoseconds) { AttackRig.garbage(Int($0)) }
        case .gossipForged: try await gossip(rate, nanoseconds) { [hostile] in hostile.forgedBeacon($0) }
        case .bootstrap: await connections(endpoints.bootstrapPort, rate, nanoseconds)
        case .connections: await connections(endpoints.controlPort, rate, nanoseconds)
        }
    }

    /// Eight connections send; each that is cut or refused is replaced by one with another key.
    private func strangers(
        _ kind: ZeroMQSocketKind, _ port: UInt16, _ rate: Int, _ nanoseconds: UInt64
    ) async throws -> Int {
        let state = StrangerLinks(kind: kind, port: port, server: key)
        await rig.flood(rate: rate, nanoseconds: nanoseconds) { rig, number in state.send(number, on: rig) }
        return try await rig.perform { rig in
            state.close(on: rig)
            return state.sent
        }
    }

    /// Beside the channel that made it a neighbour, with the same key.
    private func certified(
        _ kind: ZeroMQSocketKind, _ port: UInt16, _ rate: Int, _ nanoseconds: UInt64,
        _ frames: @escaping @Sendable (Int) -> [[UInt8]]
    ) async throws -> Int {
        let keys = hostile.keys
        let link = try await rig.perform { [key] in try $0.open(kind, toPort: port, of: key, as: keys) }
        let sent = SentCount()
        await rig.flood(rate: rate, nanoseconds: nanoseconds) { rig, number in
            if rig.send(frames(number), on: link) { sent.value += 1 }
        }
        return try await rig.perform { rig in
            rig.close(link)
            return sent.value
        }
    }

    private func gossip(
        _ rate: Int, _ nanoseconds: UInt64, _ frame: @escaping @Sendable (UInt64) -> [UInt8]
    ) async throws -> Int {
        let (hostile, victim, batch) = (hostile, victim, UInt64(Self.gossipBatch))
        let sent = SentCount()
        // Each call goes over to the neighbour's own thread.
        await rig.flood(rate: rate / Self.gossipBatch, nanoseconds: nanoseconds) { _, number in
            sent.value += Self.gossipBatch
            hostile.thread.post {
                for index in 0..<batch {
                    let counter = UInt64(number) * batch + index + Self.farCounter
                    hostile.publish(frame(counter), counter: counter, to: victim)
                }
            }
        }
        return try await rig.perform { _ in sent.value }
    }

    private static let gossipBatch = 50
    /// Beyond what the neighbour's own frames count.
    private static let farCounter: UInt64 = 1_000_000

    private func connections(_ port: UInt16, _ rate: Int, _ nanoseconds: UInt64) async -> Int {
        let open = OpenConnections()
        await rig.flood(rate: rate, nanoseconds: nanoseconds) { _, number in open.add(port, number) }
        return (try? await rig.perform { _ in open.closeAll() }) ?? 0
    }
}

/// `@unchecked Sendable`: touched on the rig's thread only.
private final class SentCount: @unchecked Sendable {
    var value = 0
}

/// `@unchecked Sendable`: touched on the rig's thread only.
private final class StrangerLinks: @unchecked Sendable {
    private static let count = 8
    private let kind: ZeroMQSocketKind
    private let port: UInt16
    private let server: CurveKey
    private var links: [Int] = []
    private(set) var sent = 0

    init(kind: ZeroMQSocketKind, port: UInt16, server: CurveKey) {
        self.kind = kind
        self.port = port
        self.server = server
    }

    func send(_ number: Int, on rig: AttackRig) {
        if links.count < Self.count, let link = try? rig.open(kind, toPort: port, of: server, as: .unknown()) {
            links.append(link)
        }
        let slot = number % links.count
        if let link = rig.link(links[slot]), link.refusals + link.losses > 0 {
            rig.close(links[slot])
            links.remove(at: slot)
            return
        }
        if kind == .dealer, rig.send([AttackRig.garbage(number)], on: links[slot]) { sent += 1 }
    }

    func close(on rig: AttackRig) {
        for link in links { rig.close(link) }
    }
}

/// Raw TCP connections, the oldest of which are closed when there are many.
///
/// `@unchecked Sendable`: touched on the rig's thread only.
private final class OpenConnections: @unchecked Sendable {
    private static let most = 2_000
    private var open: [Int32] = []
    private var made = 0

    func add(_ port: UInt16, _ number: Int) {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_INET, flags, 0)
        guard descriptor >= 0 else { return }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // Loopback connects at once. Silent, half a request, a whole one of garbage, too much.
        let bytes = AttackRig.garbage(number, count: [0, 32, 64, 4096][number % 4])
        if number % 4 != 0 { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
        made += 1
        open.append(descriptor)
        if open.count > Self.most { close(open.removeFirst()) }
    }

    func closeAll() -> Int {
        for descriptor in open { close(descriptor) }
        open.removeAll()
        return made
    }
}
