import Digest
import Mesh
import PeerLogic
import Records
import Testing
import Transfer
import Trust

/// Peers on virtual time: the production logic with a network, lanes and clocks that are numbers. The same seed gives the
/// same run, in any process.
struct VirtualMesh {
    struct Settings {
        /// One-way delay of a message, nanoseconds.
        var latency = 1 * Duration64.millisecond...20 * Duration64.millisecond
        /// Of a hundred gossip frames, how many are lost on each edge.
        var gossipLossPercent: UInt64 = 0
        /// How long a source's or a target's NIC takes for one chunk, nanoseconds.
        var chunkTime = 5 * Duration64.millisecond
        /// Whether every effect goes into the trace.
        var isTraced = false
        var mesh = MeshConfiguration()
        var ledger = SourceLedger.Configuration()
        var fanIn = FanInConfiguration()
        /// Milliseconds.
        var introductionLife = ValidityLimits.introduction
    }

    /// Something that is on its way.
    enum Happening {
        case event(PeerEvent)
        /// A message on a channel that the sender opened: it is somebody's only if the channel was admitted.
        case inbound(from: Int, [UInt8])
        /// A message on a channel that the receiver opened.
        case outbound(from: Int, [UInt8])
        case bootstrap(address: String)
        case tick
        case laneOpening(LeaseID)
        case readEnd(LeaseID, chunk: Int)
        case laneClosed(LeaseID)
    }

    struct Scheduled {
        let time: UInt64
        let number: Int
        let node: Int
        let happening: Happening
    }

    struct Edge: Hashable {
        let from: Int
        let to: Int
    }

    let settings: Settings
    let seed: UInt64
    let cluster = VirtualCluster()
    var nodes: [VirtualNode] = []
    var lanes: [LeaseID: VirtualLane] = [:]
    private(set) var now: UInt64 = 0
    /// FNV-1a over every effect of every node, in order.
    private(set) var trace: UInt64 = 0xCBF2_9CE4_8422_2325
    private(set) var ticks = 0
    var generator: SeededGenerator
    private var queue = VirtualQueue()
    private var scheduled = 0
    private var indices: [PeerID: Int] = [:]
    /// Messages on one channel don't overtake each other.
    private var lastArrival: [Edge: UInt64] = [:]
    /// What a lying node sends in place of a message.
    var rewrite: (@Sendable (_ from: Int, ControlMessage) -> ControlMessage)?
    /// Pairs of nodes between which nothing passes.
    var cuts: Set<Edge> = []

    init(seed: UInt64, settings: Settings = Settings()) {
        self.seed = seed
        self.settings = settings
        generator = SeededGenerator(seed: seed)
    }

    var note: Comment { "seed \(seed), at \(now / Duration64.millisecond) ms" }

    func moment(of node: Int) -> Moment {
        let wall = VirtualCluster.epoch + Int64(now / Duration64.millisecond) + nodes[node].skew
        return Moment(monotonic: now + Self.clockOffset(of: node), wall: wall)
    }

    /// Machines count from their own start, so monotonic clocks differ.
    private static func clockOffset(of node: Int) -> UInt64 { UInt64(node) * 1_000 * Duration64.second }

    // MARK: Peers

    /// Starts a peer that asks the bootstrap ports of `seeds`; gives its index.
    @discardableResult
    mutating func start(
        seeds: [String], token: TokenHolder? = nil, skew: Int64 = 0,
        adjusting adjust: (inout PeerConfiguration) -> Void = { _ in }
    ) throws -> Int {
        let index = nodes.count
        let name = "node\(index)"
        let secrets = VirtualSecrets("\(name) of \(seed)")
        var configuration = PeerConfiguration(
            presence: OwnPresence(name: name, zone: "a", host: ""), seeds: seeds, lanes: [.tcp])
        configuration.mesh = settings.mesh
        configuration.ledger = settings.ledger
        configuration.fanIn = settings.fanIn
        configuration.introductionLife = settings.introductionLife
        configuration.laneOffers = [LaneOffer(kind: .tcp, address: name, port: 8015)]
        adjust(&configuration)
        let wall = VirtualCluster.epoch + Int64(now / Duration64.millisecond) + skew
        let logic = try PeerLogic(
            configuration: configuration, token: try token ?? cluster.token(), secrets: secrets,
            verifier: VirtualVerifier(), generator: SeededGenerator(seed: generator.next()),
            now: Moment(monotonic: now + Self.clockOffset(of: index), wall: wall))
        nodes.append(VirtualNode(index: index, name: name, secrets: secrets, logic: logic))
        nodes[index].skew = skew
        indices[logic.local] = index
        handle(.start(nodes[index].endpoints), at: index)
        return index
    }

    /// Starts `count` peers, of which all but the first ask the first.
    mutating func startMany(_ count: Int) throws {
        for _ in 0..<count { try start(seeds: nodes.isEmpty ? [] : [nodes[0].address]) }
    }

    /// From now on nothing leaves or reaches it. With `isNoticed` its connections are closed, without it they hang.
    mutating func crash(_ node: Int, isNoticed: Bool = true) {
        nodes[node].isAlive = false
        guard isNoticed else { return }
        for lease in lanes.keys.sorted() where lanes[lease]?.source == node { breakLane(lease) }
    }

    mutating func pause(_ node: Int, for duration: UInt64) { nodes[node].pausedUntil = now + duration }

    mutating func cut(_ first: Int, _ second: Int) {
        cuts.insert(Edge(from: first, to: second))
        cuts.insert(Edge(from: second, to: first))
    }

    func index(of peer: PeerID) -> Int? { indices[peer] }

    // MARK: Time

    /// Runs until `isDone` holds or `limit` nanoseconds have passed; tells whether it held.
    @discardableResult
    mutating func run(for limit: UInt64, until isDone: (VirtualMesh) -> Bool = { _ in false }) -> Bool {
        let end = now + limit
        while !isDone(self) {
            guard let next = queue.first, next.time <= end else {
                now = end
                return isDone(self)
            }
            queue.removeFirst()
            now = max(now, next.time)
            happen(next)
        }
        return true
    }

    mutating func schedule(_ happening: Happening, at node: Int, after delay: UInt64) {
        schedule(happening, at: node, time: now + delay)
    }

    private mutating func schedule(_ happening: Happening, at node: Int, time: UInt64) {
        scheduled += 1
        queue.insert(Scheduled(time: time, number: scheduled, node: node, happening: happening))
    }

    private mutating func happen(_ next: Scheduled) {
        guard nodes[next.node].isAlive else { return }
        if nodes[next.node].pausedUntil > now {
            schedule(next.happening, at: next.node, time: nodes[next.node].pausedUntil)
            return
        }
        switch next.happening {
        case .event(let event): handle(event, at: next.node)
        case .inbound(let from, let bytes): receivedInbound(bytes, from: from, at: next.node)
        case .outbound(let from, let bytes): receivedOutbound(bytes, from: from, at: next.node)
        case .bootstrap(let address): askBootstrap(address, at: next.node)
        case .tick: tick(next.node, scheduledFor: next.time)
        case .laneOpening(let lease): laneOpening(lease)
        case .readEnd(let lease, let chunk): readEnded(lease, chunk)
        case .laneClosed(let lease): laneClosed(lease)
        }
    }

    private mutating func tick(_ node: Int, scheduledFor time: UInt64) {
        guard nodes[node].tickAt <= now else { return }
        nodes[node].tickAt = .max
        ticks += 1
        handle(.tick, at: node)
        let after = nodes[node].logic.nextDeadline
        #expect(after > moment(of: node).monotonic, "a tick moves the deadline on; node \(node), \(note)")
    }

    /// Gives an event to a peer and does what it wants done.
    mutating func handle(_ event: PeerEvent, at node: Int) {
        for effect in nodes[node].logic.handle(event, now: moment(of: node)) {
            if settings.isTraced { VirtualTrace.add(effect, of: node, to: &trace) }
            perform(effect, of: node)
        }
        let offset = Self.clockOffset(of: node)
        let deadline = max(nodes[node].logic.nextDeadline, now + offset) - offset
        guard deadline < nodes[node].tickAt else { return }
        nodes[node].tickAt = deadline
        schedule(.tick, at: node, time: deadline)
    }

    // MARK: Network

    mutating func latency() -> UInt64 { UInt64.random(in: settings.latency, using: &generator) }

    func isCut(_ from: Int, _ to: Int) -> Bool { cuts.contains(Edge(from: from, to: to)) }

    /// The time at which something sent now on an edge arrives, behind what was sent before.
    private mutating func arrival(_ from: Int, _ to: Int) -> UInt64 {
        let edge = Edge(from: from, to: to)
        let time = max(now + latency(), (lastArrival[edge] ?? 0) + 1)
        lastArrival[edge] = time
        return time
    }

    /// On the sender's own channel, else on the one that the receiver opened and the sender admitted; else it is dropped.
    mutating func send(_ message: ControlMessage, from: Int, to peer: PeerID) {
        guard let to = index(of: peer), !isCut(from, to) else { return }
        let bytes = (rewrite?(from, message) ?? message).encoded
        #expect(bytes.count <= WireLimits.controlMessage, "\(note)")
        if nodes[from].channels.contains(peer) {
            schedule(.inbound(from: from, bytes), at: to, time: arrival(from, to))
        } else if nodes[from].admitted[nodes[to].secrets.curveKey] == peer {
            schedule(.outbound(from: from, bytes), at: to, time: arrival(from, to))
        }
    }

    /// A hello comes with the key that its channel proved; other messages need an admitted channel.
    private mutating func receivedInbound(_ bytes: [UInt8], from: Int, at node: Int) {
        let key = nodes[from].secrets.curveKey
        if case .hello(let record)? = try? ControlMessage(decoding: bytes) {
            handle(.hello(key, record: record), at: node)
        } else if let peer = nodes[node].admitted[key] {
            handle(.message(from: peer, bytes), at: node)
        }
    }

    private mutating func receivedOutbound(_ bytes: [UInt8], from: Int, at node: Int) {
        guard nodes[node].channels.contains(nodes[from].id) else { return }
        if case .hello(let record)? = try? ControlMessage(decoding: bytes) {
            handle(.hello(nodes[from].secrets.curveKey, record: record), at: node)
        } else {
            handle(.message(from: nodes[from].id, bytes), at: node)
        }
    }

    mutating func publish(to peer: PeerID, _ head: GossipHead, _ frame: [UInt8], from: Int) {
        let author = nodes[from].id
        guard let to = index(of: peer), nodes[to].subscriptions.contains(author), !isCut(from, to),
            UInt64.random(in: 0..<100, using: &generator) >= settings.gossipLossPercent
        else { return }
        schedule(.event(.gossip(from: author, head, frame: frame)), at: to, after: latency())
    }

    private mutating func askBootstrap(_ address: String, at node: Int) {
        guard let request = nodes[node].logic.bootstrapRequest(),
            let asked = nodes.firstIndex(where: { $0.address == address && $0.isAlive && $0.pausedUntil <= now }),
            !isCut(node, asked),
            let arrived = try? BootstrapRequest(decoding: request.encoded),
            let answer = nodes[asked].logic.bootstrapAnswer(to: arrived, now: moment(of: asked))
        else {
            schedule(.event(.bootstrapFailed(address: address, reason: "no answer")), at: node, after: latency())
            return
        }
        schedule(
            .event(.bootstrapAnswered(address: address, request: request, answer: answer)), at: node, after: latency())
    }
}
