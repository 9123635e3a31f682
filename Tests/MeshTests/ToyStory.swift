import Digest
import Records

@testable import Mesh

extension ToyOwner {
    /// A beacon that renews exactly the set with this digest.
    func beacon(_ version: Version, of recordSet: Digest256, at wall: Int64, term: Int64 = 8_000) -> [UInt8] {
        let beacon = Beacon(
            version: version, validity: Validity(issuedAt: wall, term: term), recordSet: recordSet, slotsInUse: 0,
            slots: 0, bytesServed: 0, bytesReceived: 0)
        return ToyAuthority.frame(beacon, by: id).encoded
    }
}

extension [UInt8] {
    /// The frame that these bytes are.
    var opened: OpenedFrame? { OpenedFrame(self, digest: BLAKE2b.digest(self)) }
}

/// What one owner says in the course of time, frame by frame, as others may get it in any order.
struct ToyStory {
    let owner: ToyOwner
    private(set) var frames: [[UInt8]] = []
    /// Models that it offers at the end.
    private(set) var offered: Set<String> = []
    private(set) var hasDeparted = false
    private(set) var incarnation: UInt64 = 1
    private var sequence: UInt64 = 0
    private var beacons: UInt64 = 0
    private var holdings: PeerHoldings?

    init(_ name: String) { owner = ToyOwner(name) }

    /// The newest version that it used for a record.
    var version: Version { Version(incarnation: incarnation, sequence: sequence) }

    mutating func introduce(at wall: Int64, term: Int64 = 8_000, isDeparting: Bool = false) {
        sequence += 1
        let bytes = owner.record(
            sequence, incarnation: incarnation, at: wall, term: term, isDeparting: isDeparting)
        frames.append(bytes)
        guard let frame = bytes.opened else { return }
        holdings =
            holdings?.replacingOwn(frame)
            ?? PeerHoldings(own: frame, publishing: RateBucket(perSecond: 1, burst: 1))
    }

    mutating func announce(
        _ model: String, at wall: Int64, term: Int64 = 8_000, state: AnnouncementState = .live
    ) {
        sequence += 1
        let bytes = owner.announcement(
            model, sequence, incarnation: incarnation, at: wall, term: term, state: state)
        frames.append(bytes)
        if state == .tombstone { offered.remove(model) } else { offered.insert(model) }
        if let frame = bytes.opened { holdings = holdings?.inserting(frame) }
    }

    /// Signs another payload under the version that it used last.
    mutating func contradict(_ model: String, at wall: Int64) {
        announce(model, at: wall)
        frames.append(owner.announcement(model, sequence, incarnation: incarnation, at: wall, slots: 99))
    }

    mutating func renew(at wall: Int64, term: Int64 = 8_000) {
        guard let set = holdings?.setDigest else { return }
        beacons += 1
        let version = Version(incarnation: incarnation, sequence: beacons)
        frames.append(owner.beacon(version, of: set, at: wall, term: term))
    }

    mutating func beginAnew(at wall: Int64) {
        (incarnation, sequence, beacons) = (incarnation + 1, 0, 0)
        offered = []
        holdings = nil
        introduce(at: wall)
    }

    mutating func depart(at wall: Int64) {
        for model in offered.sorted() { announce(model, at: wall, state: .tombstone) }
        introduce(at: wall, isDeparting: true)
        hasDeparted = true
    }

    /// An owner's life of so many steps, a second from one to the next, that ends with a beacon for all it says unless it departs.
    static func random(
        _ name: String, steps: Int, from start: Int64, using generator: inout SeededGenerator
    ) -> ToyStory {
        var story = ToyStory(name)
        story.introduce(at: start)
        let models = ["a", "b", "c"]
        for step in 1...steps {
            let wall = start + Int64(step) * 1_000
            let model = models[Int.random(in: 0..<models.count, using: &generator)]
            switch Int.random(in: 0..<20, using: &generator) {
            case 0..<8: story.announce(model, at: wall)
            case 8..<11: story.announce(model, at: wall, state: .tombstone)
            case 11..<15: story.renew(at: wall)
            case 15..<17: story.introduce(at: wall)
            case 17: story.beginAnew(at: wall)
            case 18 where step == steps / 2: story.contradict(model, at: wall)
            default:
                guard step > steps - 2 else { continue }
                story.depart(at: wall)
                return story
            }
        }
        story.renew(at: start + Int64(steps) * 1_000)
        return story
    }
}

/// A mesh that gets frames from a neighbour whose own word nobody doubts, and what it holds.
struct ToyReceiver {
    let courier = ToyOwner("courier")
    var peer: MeshPeer
    private var counter: UInt64 = 0
    private var greetings: UInt64 = 0
    private var snapshots: UInt64 = 0
    /// The newest version of each record that it ever held.
    private var newest: [RecordID: Version] = [:]
    /// Beacons take no part in the records; theirs is by owner.
    private var newestBeacons: [PeerID: Version] = [:]
    /// Records that went back to an older version.
    private(set) var reversals: [String] = []

    init(_ name: String, configuration: MeshConfiguration = MeshConfiguration()) {
        peer = MeshPeer(name, configuration: configuration)
        meetCourier()
    }

    /// The courier's record ends like any other: it shows itself anew.
    mutating func meetCourier() {
        greetings += 1
        let record = courier.record(greetings, at: peer.now.wall)
        _ = peer.handle(.hello(curveKey: courier.curveKey, record: record))
        _ = peer.handle(.message(from: courier.id, .welcome(record: record)))
        _ = peer.handle(.message(from: courier.id, .neighbourRequest(isShort: true)))
    }

    enum Way: CaseIterable {
        case gossip
        case gift
        case page
        case store
    }

    @discardableResult
    mutating func take(_ frames: [[UInt8]], by way: Way) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        switch way {
        case .gossip:
            for frame in frames {
                counter += 1
                let head = GossipHead(counter: counter, hops: 1)
                effects += peer.handle(.gossip(from: courier.id, head, frame: frame))
            }
        case .gift: effects = peer.handle(.message(from: courier.id, .give(frames: frames)))
        case .page:
            peer.mesh.taking = nil
            var asked: [MeshEffect] = []
            peer.mesh.takeSnapshot(from: courier.id, peer.now, &asked)
            snapshots += 1
            let page = courier.page(frames, sequence: snapshots)
            let request = peer.mesh.taking?.request ?? 0
            effects = peer.handle(.message(from: courier.id, .snapshotPage(request: request, page: page)))
        case .store: effects = peer.handle(.restored(frames))
        }
        noteVersions()
        return effects
    }

    /// Some of the frames in any order, some of them twice, each by any way.
    mutating func takeShuffled(
        _ frames: [[UInt8]], lossPercent: Int = 0, duplicatePercent: Int = 30, using generator: inout SeededGenerator
    ) {
        var deliveries = frames.filter { _ in Int.random(in: 0..<100, using: &generator) >= lossPercent }
        deliveries += frames.filter { _ in Int.random(in: 0..<100, using: &generator) < duplicatePercent }
        deliveries.shuffle(using: &generator)
        while !deliveries.isEmpty {
            let count = min(Int.random(in: 1...4, using: &generator), deliveries.count)
            let way = Way.allCases.randomElement(using: &generator) ?? .gift
            take(Array(deliveries.prefix(count)), by: way)
            deliveries.removeFirst(count)
        }
    }

    private mutating func noteVersions() {
        for change in peer.mesh.everything() {
            switch change {
            case .record(let id, let owner, let version, _, _, _) where owner != courier.id:
                if let known = newest[id], version < known { reversals.append("\(owner.short) \(known) \(version)") }
                newest[id] = max(newest[id] ?? version, version)
            default: break
            }
        }
        for owner in peer.mesh.knownPeers {
            guard let beacon = peer.mesh.beacon(of: owner) else { continue }
            if let known = newestBeacons[owner], beacon.version < known {
                reversals.append("beacon of \(owner.short) \(known) \(beacon.version)")
            }
            newestBeacons[owner] = max(newestBeacons[owner] ?? beacon.version, beacon.version)
        }
    }

    /// What it holds of others than itself and the courier, in words that can be compared.
    var state: [String] {
        var lines: [String] = []
        for change in peer.mesh.everything() {
            guard case .record(_, let owner, let version, let purpose, let validUntil, _) = change,
                owner != peer.owner.id, owner != courier.id
            else { continue }
            lines.append("\(owner.short) \(purpose) \(version.incarnation).\(version.sequence) until \(validUntil)")
        }
        return lines + choices + peer.mesh.quarantinedPeers.map { "\($0.short) is quarantined" }
    }

    /// What it would choose from now.
    var choices: [String] {
        peer.mesh.sources(atWall: peer.now.wall).map { source in
            "\(source.peerID.short) offers \(source.announcement.identity.model) \(source.announcement.version.sequence)"
        }
    }

    /// Proofs against peers that it could show.
    var proofs: [[UInt8]] { peer.mesh.quarantinedPeers.compactMap { peer.mesh.quarantined[$0]?.proof } }
}
