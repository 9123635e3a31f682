import EventThread
import Records
import Signing
import Telemetry
import Trust

@testable import MeshTransport

/// The sockets of a peer on a thread of its own, with nothing behind them but a test.
///
/// `@unchecked Sendable`: `sockets` is touched on the thread only.
final class SocketPeer: @unchecked Sendable {
    let thread: EventThread
    let secrets = ProcessSecrets()
    let messages = Record<[UInt8]>()
    let gossip = Record<UInt64>()
    let disconnected = Record<PeerID>()
    private let endpointsFound = Guarded<Endpoints?>(nil)
    private var sockets: MeshSockets?

    init() async throws {
        thread = try EventThread(name: "socket-peer")
        try thread.run()
        try await perform { peer in
            let sockets = try MeshSockets(
                thread: peer.thread, local: peer.id, publicKey: peer.key, secretKey: peer.secrets.curveSecretKey,
                ioThreads: 1)
            peer.sockets = sockets
            sockets.onMessage = { [messages = peer.messages] in messages.append($1) }
            sockets.onGossip = { [gossip = peer.gossip] _, head, _ in gossip.append(head.counter) }
            sockets.onDisconnected = { [disconnected = peer.disconnected] in disconnected.append($0) }
            let ports = try sockets.bind(address: "127.0.0.1", controlPort: 0, gossipPort: 0)
            peer.endpointsFound.withLock {
                $0 = Endpoints(
                    host: "127.0.0.1", bootstrapPort: 0, controlPort: ports.control, gossipPort: ports.gossip)
            }
        }
    }

    var id: PeerID { PeerID(secrets.signer.publicKey) }
    var key: CurveKey { secrets.curveKey }
    var endpoints: Endpoints {
        endpointsFound.withLock { $0 } ?? Endpoints(host: "", bootstrapPort: 0, controlPort: 0, gossipPort: 0)
    }

    func perform<Value: Sendable>(_ work: @escaping @Sendable (SocketPeer) throws -> Value) async throws -> Value {
        try await thread.perform { try work(self) }
    }

    /// Works on the sockets.
    func with<Value: Sendable>(_ work: @escaping @Sendable (MeshSockets) throws -> Value) async throws -> Value {
        try await perform { peer in
            guard let sockets = peer.sockets else { throw Closed() }
            return try work(sockets)
        }
    }

    /// Lets the other in, and makes it a neighbour.
    func meet(_ other: SocketPeer) async throws {
        let (id, key, endpoints) = (other.id, other.key, other.endpoints)
        try await with { sockets in
            sockets.admit(key, as: id)
            sockets.connect(id, key, endpoints, now: MonotonicClock.now())
            sockets.subscribe(id, key, endpoints)
        }
    }

    /// Sends a pong with this number until the other has it.
    func reach(_ other: SocketPeer, number: UInt64) async throws {
        let message = ControlMessage.pong(request: number)
        try await eventually("pong \(number) arrives") {
            try await self.send(message, to: other)
            return other.messages.all.contains(message.encoded)
        }
    }

    func send(_ message: ControlMessage, to other: SocketPeer) async throws {
        let id = other.id
        try await with { $0.send(message, to: id, now: MonotonicClock.now()) }
    }

    func publish(_ counters: ClosedRange<UInt64>, to other: SocketPeer, bytes: Int = 100) async throws {
        let id = other.id
        try await with { sockets in
            for counter in counters {
                sockets.publish(
                    to: id, GossipHead(counter: counter, hops: 0), frame: [UInt8](repeating: 1, count: bytes))
            }
        }
    }

    /// Publishes until the other hears.
    func reachByGossip(_ other: SocketPeer, from counter: UInt64) async throws {
        let next = Guarded(counter)
        try await eventually("gossip arrives") {
            let number = next.withLock { number in
                number += 1
                return number
            }
            try await self.publish(number...number, to: other)
            return other.gossip.all.contains { $0 > counter }
        }
    }

    func close() async throws {
        try await perform { peer in
            peer.sockets?.close()
            peer.sockets = nil
        }
        let thread = thread
        try await offPool { thread.stop() }
    }

    struct Closed: Error {}
}
