import Digest
import Records
import Synchronization

@testable import Mesh

/// Opens each frame once for all peers of a network.
private final class SharedOpening: FrameOpening {
    private let digests = Mutex<[[UInt8]: Digest256]>([:])
    private let frames = Mutex<[Digest256: OpenedFrame]>([:])

    func digest(of bytes: [UInt8]) -> Digest256 {
        digests.withLock { known in
            if let digest = known[bytes] { return digest }
            let digest = BLAKE2b.digest(bytes)
            known[bytes] = digest
            return digest
        }
    }

    func open(_ bytes: [UInt8], digest: Digest256) -> OpenedFrame? {
        frames.withLock { known in
            if let frame = known[digest] { return frame }
            let frame = OpenedFrame(bytes, digest: digest)
            known[digest] = frame
            return frame
        }
    }
}

/// Believes everybody: in these networks all are honest, and what is looked at is whom they hear.
struct TrustingAuthority: MeshAuthority {
    let local: PeerID

    func accepts(_ chain: CertificateChain, now: Moment) -> Bool { true }
    func isAuthentic(_ frame: SignedFrame, by chain: CertificateChain) -> Bool { true }
    func permits(_ announcement: Announcement, by chain: CertificateChain) -> Bool { true }

    func take(revocation bytes: [UInt8], now: Moment) -> RevocationVerdict { .refused(.untrusted) }
    var revocations: [[UInt8]] { [] }
    var revocationDigest: UInt64 { 0 }

    func frame<Record: SignedRecord>(_ record: Record) -> SignedFrame {
        guard let signature = Signature(local.bytes + local.bytes) else {
            preconditionFailure("two names are 64 bytes")
        }
        return SignedFrame(purpose: Record.purpose, author: local, payload: record.encoded, signature: signature)
    }
}

/// Many meshes with a network between them, on virtual time in steps of a millisecond. The same seed gives the same run.
struct MeshNetwork {
    struct Settings {
        var configuration = MeshNetwork.configuration
        /// One-way delay of a message, milliseconds.
        var latency: ClosedRange<UInt64> = 1...8
        /// Of a hundred gossip frames, how many are lost on each edge.
        var gossipLossPercent: UInt64 = 0
        /// Peers are in these in turn.
        var zones = [""]
    }

    struct Node {
        let owner: ToyOwner
        var mesh: Mesh
        var isAlive = true
        /// Channels that it opened, others' channels that it admits, and to whose gossip it listens.
        var channels: Set<PeerID> = []
        var admitted: Set<PeerID> = []
        var subscriptions: Set<PeerID> = []
    }

    private enum Parcel {
        /// `isOwn`: on a channel that the sender opened.
        case message(ControlMessage, isOwn: Bool, from: Int, to: Int)
        case gossip(GossipHead, [UInt8], from: Int, to: Int)
        case bootstrap(address: String, to: Int)
    }

    private struct Way: Hashable {
        let from: Int
        let to: Int
    }

    /// Beacons are few, so that many seconds of many peers take few of ours.
    static var configuration: MeshConfiguration {
        var configuration = MeshConfiguration()
        configuration.directPeers = 16
        configuration.presets = [
            MeshPreset(
                upTo: .max, degree: 6, chosen: 2, beaconPeriod: 4 * Duration64.second, term: 10_000,
                beaconDelay: 20 * Duration64.millisecond, shufflePeriod: 8 * Duration64.second,
                rendezvousPeriod: 20 * Duration64.second)
        ]
        return configuration
    }

    let seed: UInt64
    var settings: Settings
    private(set) var nodes: [Node] = []
    /// Messages that the network loses.
    var isLost: @Sendable (ControlMessage) -> Bool = { _ in false }
    /// Nodes on different sides don't hear each other.
    var sides: [Int: Int] = [:]
    /// Milliseconds.
    private(set) var now: UInt64 = 0
    private var generator: SeededGenerator
    private let opening = SharedOpening()
    private var indices: [PeerID: Int] = [:]
    private var deadlines: [UInt64] = []
    private var parcels: [UInt64: [Parcel]] = [:]
    private var lastArrival: [Way: UInt64] = [:]

    init(seed: UInt64, settings: Settings = Settings()) {
        self.seed = seed
        self.settings = settings
        generator = SeededGenerator(seed: seed)
    }

    var moment: Moment { Moment(monotonic: now * Duration64.millisecond, wall: MeshPeer.epoch + Int64(now)) }

    // MARK: Peers

    /// Starts so many more peers, of which all but the first ask the first.
    mutating func start(_ count: Int) {
        for _ in 0..<count {
            let index = nodes.count
            let owner = ToyOwner("node \(index) of \(seed)")
            let zone = settings.zones[index % settings.zones.count]
            let mesh = Mesh(
                local: owner.id, configuration: settings.configuration,
                presence: OwnPresence(name: "\(index)", zone: zone, host: ""), incarnation: now + 1,
                seeds: index == 0 ? [] : ["0"], generator: SeededGenerator(seed: generator.next()), opening: opening)
            nodes.append(Node(owner: owner, mesh: mesh))
            deadlines.append(0)
            indices[owner.id] = index
            let endpoints = Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3)
            change(index) { mesh, now, authority in
                mesh.present(chain: owner.chain, endpoints: endpoints, now: now, authority: &authority)
            }
        }
    }

    mutating func crash(_ crashed: some Sequence<Int>) {
        for index in crashed {
            nodes[index].isAlive = false
            deadlines[index] = .max
        }
    }

    mutating func depart(_ index: Int) {
        change(index) { mesh, now, authority in mesh.depart(now: now, authority: &authority) }
        crash([index])
    }

    mutating func announce(_ model: String, at index: Int) {
        let offer = OwnOffer(
            identity: SourceIdentity(model: model, revision: "r", stage: .files), rank: 0, state: .live,
            manifest: ManifestID(.zero), introduction: nil, coverageEighths: 8, totalBytes: 1, lanes: [.tcp], slots: 2)
        change(index) { mesh, now, authority in mesh.announce(offer, now: now, authority: &authority) }
    }

    mutating func reach(_ other: Int, from index: Int) {
        let peer = nodes[other].owner.id
        change(index) { mesh, now, _ in mesh.reach(peer, now: now) }
    }

    mutating func tell(_ message: ControlMessage, from: Int, to: Int) {
        send(message, from: from, to: nodes[to].owner.id)
    }

    private mutating func change(
        _ index: Int, _ body: (inout Mesh, Moment, inout TrustingAuthority) -> [MeshEffect]
    ) {
        guard nodes[index].isAlive else { return }
        var authority = TrustingAuthority(local: nodes[index].owner.id)
        let effects = body(&nodes[index].mesh, moment, &authority)
        for effect in effects { perform(effect, of: index) }
        deadlines[index] = nodes[index].mesh.nextDeadline
    }

    private mutating func handle(_ event: MeshEvent, at index: Int) {
        change(index) { mesh, now, authority in mesh.handle(event, now: now, authority: &authority) }
    }

    // MARK: Time and network

    /// Runs until `isDone` holds or so many milliseconds have passed; tells whether it held.
    @discardableResult
    mutating func run(_ milliseconds: UInt64, until isDone: (MeshNetwork) -> Bool = { _ in false }) -> Bool {
        for _ in 0..<milliseconds {
            now += 1
            for parcel in parcels.removeValue(forKey: now) ?? [] { deliver(parcel) }
            let time = now * Duration64.millisecond
            for index in deadlines.indices where deadlines[index] <= time { handle(.tick, at: index) }
            if now % 10 == 0, isDone(self) { return true }
        }
        return isDone(self)
    }

    /// What a peer said just before its end still arrives.
    private func isCut(_ from: Int, _ to: Int) -> Bool { !nodes[to].isAlive || sides[from] != sides[to] }

    private mutating func perform(_ effect: MeshEffect, of index: Int) {
        switch effect {
        case .bootstrap(let address): post(.bootstrap(address: address, to: index), at: now + 2)
        case .connect(let peer, _, _): nodes[index].channels.insert(peer)
        case .subscribe(let peer, _, _): nodes[index].subscriptions.insert(peer)
        case .unsubscribe(let peer): nodes[index].subscriptions.remove(peer)
        case .disconnect(let peer):
            nodes[index].channels.remove(peer)
            nodes[index].admitted.remove(peer)
            nodes[index].subscriptions.remove(peer)
        case .admit(_, let peer): nodes[index].admitted.insert(peer)
        case .send(let peer, let message): send(message, from: index, to: peer)
        case .publish(let peer, let head, let frame):
            guard let to = indices[peer], nodes[to].subscriptions.contains(nodes[index].owner.id),
                UInt64.random(in: 0..<100, using: &generator) >= settings.gossipLossPercent
            else { return }
            post(.gossip(head, frame, from: index, to: to), at: arrival(index, to))
        case .block, .changed: break
        }
    }

    private mutating func send(_ message: ControlMessage, from: Int, to peer: PeerID) {
        guard let to = indices[peer], !isLost(message) else { return }
        let isOwn = nodes[from].channels.contains(peer)
        guard isOwn || nodes[from].admitted.contains(peer) else { return }
        post(.message(message, isOwn: isOwn, from: from, to: to), at: arrival(from, to))
    }

    /// Messages between two peers don't overtake each other.
    private mutating func arrival(_ from: Int, _ to: Int) -> UInt64 {
        let way = Way(from: from, to: to)
        let time = max(now + UInt64.random(in: settings.latency, using: &generator), lastArrival[way] ?? 0)
        lastArrival[way] = time
        return time
    }

    private mutating func post(_ parcel: Parcel, at time: UInt64) { parcels[time, default: []].append(parcel) }

    private mutating func deliver(_ parcel: Parcel) {
        switch parcel {
        case .bootstrap(let address, let to):
            guard let asked = Int(address), nodes[asked].isAlive, !isCut(asked, to) else { return }
            let answer = BootstrapAnswer(
                nonce: [UInt8](repeating: 0, count: 24), chain: nodes[asked].owner.chain,
                endpoints: Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3), time: moment.wall)
            handle(.bootstrapAnswered(address: address, answer: answer), at: to)
        case .gossip(let head, let frame, let from, let to):
            guard !isCut(from, to), nodes[to].subscriptions.contains(nodes[from].owner.id) else { return }
            handle(.gossip(from: nodes[from].owner.id, head, frame: frame), at: to)
        case .message(let message, let isOwn, let from, let to):
            guard !isCut(from, to) else { return }
            let sender = nodes[from].owner
            guard isOwn || nodes[to].channels.contains(sender.id) else { return }
            if case .hello(let record) = message {
                handle(.hello(curveKey: sender.curveKey, record: record), at: to)
            } else if !isOwn || nodes[to].admitted.contains(sender.id) {
                handle(.message(from: sender.id, message), at: to)
            }
        }
    }
}

/// What a network looks like from above.
extension MeshNetwork {
    var living: [Int] { nodes.indices.filter { nodes[$0].isAlive } }

    func neighbours(of index: Int) -> [Int] { nodes[index].mesh.neighbours.compactMap { indices[$0] } }

    var edges: Set<[Int]> { Set(living.flatMap { index in neighbours(of: index).map { [index, $0].sorted() } }) }

    var degrees: [Int] { living.map { nodes[$0].mesh.neighbourCount } }

    /// Pairs of which one takes the other for a neighbour, and not the other way round.
    var oneSided: Int {
        living.reduce(0) { count, index in
            count + neighbours(of: index).count { !neighbours(of: $0).contains(index) }
        }
    }

    /// Whether gossip that one living peer begins can reach all.
    var isConnected: Bool {
        guard let first = living.first else { return true }
        var reached: Set<Int> = [first]
        var waiting = [first]
        while let next = waiting.popLast() {
            for other in neighbours(of: next) where nodes[other].isAlive && reached.insert(other).inserted {
                waiting.append(other)
            }
        }
        return reached.count == living.count
    }

    func knowsExactly(_ expected: [Int], at index: Int) -> Bool {
        nodes[index].mesh.knownPeers == expected.map { nodes[$0].owner.id }.sorted()
    }

    /// Whether all that live know exactly those that live.
    var agrees: Bool { living.allSatisfy { knowsExactly(living, at: $0) } }

    func chosen(at index: Int) -> Int {
        nodes[index].mesh.neighbours.count { nodes[index].mesh.edges[$0]?.isChosen == true }
    }

    /// Peers at which a model is offered.
    func hearers(of model: String) -> Int {
        living.count { index in
            !nodes[index].mesh.sources(atWall: moment.wall) { $0.identity.model == model }.isEmpty
        }
    }
}
