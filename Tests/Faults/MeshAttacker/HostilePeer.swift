import Digest
package import EventThread
import Mesh
import MeshTransport
import PeerLogic
package import Records
package import Signing
import Telemetry
package import Trust

/// A certified peer that joins like any other, becomes a neighbour, and then says what it likes.
///
/// `@unchecked Sendable`: everything but the thread is touched on the thread only.
package final class HostilePeer: @unchecked Sendable {
    package let thread: EventThread
    package let secrets = ProcessSecrets()
    private var logic: PeerLogic
    private let pool: WorkerPool
    private var sockets: MeshSockets?
    private var tick: TimerID?
    private var isClosed = false

    package init(token: TokenHolder, seeds: [String]) throws {
        let now = Self.now()
        logic = try PeerLogic(
            configuration: PeerConfiguration(
                presence: OwnPresence(name: "hostile", zone: "", host: ""), seeds: seeds, lanes: []),
            token: token, secrets: secrets, verifier: Ed25519Verifier(),
            generator: SeededGenerator(seed: ProcessSecrets.seed()), now: now)
        thread = try EventThread(name: "hostile")
        pool = try WorkerPool(name: "ask", threads: 1, capacity: 16)
        try thread.run()
    }

    package var peer: PeerID { PeerID(secrets.signer.publicKey) }
    package var keys: AttackKeys { AttackKeys(publicKey: secrets.curveKey, secretKey: secrets.curveSecretKey) }

    package func start() async throws {
        try await thread.perform {
            let sockets = try MeshSockets(
                thread: self.thread, local: self.logic.local, publicKey: self.secrets.curveKey,
                secretKey: self.secrets.curveSecretKey, ioThreads: 1)
            self.sockets = sockets
            sockets.onMessage = { [unowned self] in handle(.message(from: $0, $1)) }
            sockets.onHello = { [unowned self] in handle(.hello($0, record: $1)) }
            sockets.onDisconnected = { [unowned self] in handle(.disconnected($0)) }
            sockets.onGossip = { [unowned self] in handle(.gossip(from: $0, $1, frame: $2)) }
            let ports = try sockets.bind(address: "127.0.0.1", controlPort: 0, gossipPort: 0)
            self.handle(
                .start(
                    Endpoints(
                        host: "127.0.0.1", bootstrapPort: 0, controlPort: ports.control, gossipPort: ports.gossip)))
        }
    }

    package func stop() {
        thread.post {
            self.isClosed = true
            if let tick = self.tick { self.thread.cancel(tick) }
            self.sockets?.close()
            self.sockets = nil
        }
        thread.stop()
        pool.stop()
    }

    /// The neighbour whose bootstrap port this is, once it is one.
    package func neighbour(
        at seed: String
    ) async throws -> (peer: PeerID, key: CurveKey, endpoints: Endpoints)? {
        try await thread.perform {
            for peer in self.logic.mesh.knownPeers where self.logic.mesh.isNeighbour(peer) {
                guard let record = self.logic.mesh.peerRecord(of: peer),
                    "\(record.endpoints.host):\(record.endpoints.bootstrapPort)" == seed
                else { continue }
                return (peer, record.chain.certificate.value.curveKey, record.endpoints)
            }
            return nil
        }
    }

    /// A beacon of this peer's with any version and a signature of nobody's.
    package func forgedBeacon(_ number: UInt64) -> [UInt8] {
        let beacon = Beacon(
            version: Version(incarnation: UInt64(WallClock.now()), sequence: number),
            validity: Validity(issuedAt: WallClock.now(), term: 8_000), recordSet: .zero, slotsInUse: 0, slots: 0,
            bytesServed: 0, bytesReceived: 0)
        let noise = AttackRig.garbage(Int(number), count: Signature.byteCount)
        guard let signature = Signature(noise) else { return [] }
        return SignedFrame(purpose: .beacon, author: peer, payload: beacon.encoded, signature: signature).encoded
    }

    /// Publishes a frame of any bytes to a neighbour; on the thread.
    package func publish(_ frame: [UInt8], counter: UInt64, to peer: PeerID) {
        sockets?.publish(to: peer, GossipHead(counter: counter, hops: 0), frame: frame)
    }

    private func handle(_ event: PeerEvent) {
        guard !isClosed else { return }
        for effect in logic.handle(event, now: Self.now()) { if case .mesh(let effect) = effect { perform(effect) } }
        if let tick { thread.cancel(tick) }
        tick = thread.schedule(at: max(logic.nextDeadline, MonotonicClock.now() + Duration64.millisecond)) {
            [unowned self] in handle(.tick)
        }
    }

    private func perform(_ effect: MeshEffect) {
        let now = MonotonicClock.now()
        switch effect {
        case .bootstrap(let address): ask(address)
        case .connect(let peer, let key, let endpoints): sockets?.connect(peer, key, endpoints, now: now)
        case .subscribe(let peer, let key, let endpoints): sockets?.subscribe(peer, key, endpoints)
        case .disconnect(let peer): sockets?.disconnect(peer)
        case .admit(let key, let peer): sockets?.admit(key, as: peer)
        case .send(let peer, let message): sockets?.send(message, to: peer, now: now)
        case .unsubscribe(let peer): sockets?.unsubscribe(peer)
        case .publish(let peer, let head, let frame): sockets?.publish(to: peer, head, frame: frame)
        default: break
        }
    }

    private func ask(_ address: String) {
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]),
            let request = logic.bootstrapRequest()
        else { return }
        let host = String(address[..<colon])
        pool.submit { [thread] in
            let outcomes = BootstrapClient.ask(host: host, port: port, request: request)
            thread.post {
                for case .answered(let answer) in outcomes {
                    self.handle(.bootstrapAnswered(address: address, request: request, answer: answer))
                }
            }
        }
    }

    package static func now() -> Moment { Moment(monotonic: MonotonicClock.now(), wall: WallClock.now()) }
}
