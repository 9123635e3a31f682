import Digest
import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

/// Certified peers that say and do anything, drawn from a seed.
private struct HostileCrowd {
    let owners = (0..<20).map { ToyOwner("hostile \($0)") }
    private(set) var frames: [[UInt8]] = []
    var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        for _ in 0..<260 { frames.append(frame()) }
    }

    mutating func owner() -> ToyOwner { owners.randomElement(using: &generator) ?? owners[0] }

    private mutating func frame() -> [UInt8] {
        let owner = owner()
        let wall = epoch + Int64.random(in: -5_000...60_000, using: &generator)
        let incarnation = UInt64.random(in: 1...3, using: &generator)
        let sequence = UInt64.random(in: 1...6, using: &generator)
        let model = "m\(Int.random(in: 0..<12, using: &generator))"
        var bytes: [UInt8]
        switch Int.random(in: 0..<12, using: &generator) {
        case 0..<3: bytes = owner.record(sequence, incarnation: incarnation, at: wall)
        case 3: bytes = owner.record(9, incarnation: incarnation, at: wall, isDeparting: true)
        case 4: bytes = owner.beacon(sequence, at: wall, term: Int64.random(in: 0...60_000, using: &generator))
        case 5:
            let one = owner.announcement(model, sequence, at: wall, slots: 1)
            bytes =
                EquivocationProof(one, owner.announcement(model, sequence, at: wall, slots: 2), by: owner.chain).encoded
        default:
            let state: AnnouncementState = Bool.random(using: &generator) ? .live : .tombstone
            bytes = owner.announcement(
                model, sequence, incarnation: incarnation, at: wall,
                term: Int64.random(in: 1...60_000, using: &generator), state: state,
                slots: UInt16.random(in: 0...1, using: &generator))
        }
        switch Int.random(in: 0..<16, using: &generator) {
        case 0: bytes[bytes.count - 1] ^= 1
        case 1: bytes[2] ^= 1
        case 2: bytes.removeLast()
        default: break
        }
        return bytes
    }

    mutating func event() -> MeshEvent {
        let (owner, other) = (owner(), owner())
        let frame = frames.randomElement(using: &generator) ?? []
        let counters: [UInt64] = [1, 2, .max, .max - 1, generator.next()]
        let counter: UInt64 = counters.randomElement(using: &generator) ?? 0
        let ids = (0..<5).map { _ in RecordID(BLAKE2b.digest(generator.nextBytes(4))) }
        switch Int.random(in: 0..<24, using: &generator) {
        case 0..<3:
            let incarnation = UInt64.random(in: 1...4, using: &generator)
            return .hello(curveKey: owner.curveKey, record: owner.record(incarnation: incarnation, at: epoch))
        case 3: return .message(from: owner.id, .welcome(record: owner.record(at: epoch)))
        case 4..<9: return .gossip(from: owner.id, GossipHead(counter: counter, hops: .max), frame: frame)
        case 9..<13:
            let gift = (0..<6).map { _ in frames.randomElement(using: &generator) ?? [] }
            return .message(from: owner.id, .give(frames: gift))
        case 13:
            let offset = UInt32(truncatingIfNeeded: counter)
            let page = SnapshotPage(manifest: frame, offset: offset, frames: [frame])
            return .message(
                from: owner.id, .snapshotPage(request: UInt64.random(in: 1...40, using: &generator), page: page))
        case 14:
            let interest = SnapshotInterest(.model("m\(counter & 7)"), rank: counter & 8 == 0 ? nil : 0)
            let cursor = SnapshotCursor(epoch: 1, sequence: counter & 3, offset: UInt32(truncatingIfNeeded: counter))
            let filter: SnapshotFilter = counter & 16 == 0 ? .everything : .interests([interest])
            return .message(
                from: owner.id, .snapshotRequest(request: 1, filter: filter, cursor: counter & 32 == 0 ? nil : cursor))
        case 15:
            let stamps = ids.map { RecordStamp(record: $0, version: Version(incarnation: .max, sequence: .max)) }
            return .message(from: owner.id, .digestListing(buckets: [1, 1, 1, 255], entries: stamps))
        case 16: return .message(from: owner.id, .want(records: ids))
        case 17:
            let buckets = (0..<ControlMessage.bucketCount).map { _ in generator.next() }
            return .message(from: owner.id, .digestSummary(buckets: buckets, trust: counter))
        case 18: return .message(from: owner.id, .neighbourRequest(isShort: true))
        case 19: return .message(from: owner.id, .neighbourAnswer(isAccepted: counter & 1 == 0))
        case 20: return .message(from: owner.id, .neighbourEnd(successor: other.id))
        case 21: return .message(from: owner.id, .ping(request: counter, isNeighbour: counter & 1 == 0))
        case 22:
            let answer = BootstrapAnswer(
                nonce: [UInt8](repeating: 0, count: 24), chain: owner.chain,
                endpoints: Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3), time: epoch)
            return .bootstrapAnswered(address: "x", answer: answer)
        default:
            return [
                .garbage(from: owner.id), .disconnected(owner.id), .message(from: owner.id, .goodbye),
                .message(from: owner.id, .hangUp),
            ].randomElement(using: &generator) ?? .tick
        }
    }
}

@Suite("Bounds under hostile input")
struct BoundsTests {
    private var limits: MeshConfiguration {
        var limits = MeshConfiguration()
        (limits.peers, limits.recordsPerPeer, limits.floors, limits.channels) = (8, 6, 48, 8)
        (limits.quarantined, limits.blocked, limits.lostPeers) = (2, 2, 3)
        (limits.directPeers, limits.neighbours, limits.exchangeRecords, limits.blockTime) = (3, 4, 4, 5_000_000_000)
        return limits
    }

    /// The first bound that doesn't hold.
    private func excess(_ mesh: Mesh) -> String? {
        let limits = mesh.configuration
        let held = mesh.store.peers.values.map(\.count).max() ?? 0
        let chosen = mesh.neighbours.count { mesh.edges[$0]?.isNeighbour != true }
        let bounds: [(String, Int, Int)] = [
            ("peers", mesh.store.count, limits.peers), ("records of a peer", held, limits.recordsPerPeer),
            ("floors", mesh.floorCount, limits.floors), ("channels", mesh.edges.count, limits.channels),
            ("quarantined", mesh.quarantined.count, limits.quarantined),
            ("blocked", mesh.blocked.count, limits.blocked),
            ("lost", mesh.lost.count, limits.lostPeers),
            ("neighbours", mesh.neighbours.count, limits.neighbours + 1), ("false neighbours", chosen, 0),
            ("postponed", mesh.asksAgain.count, limits.peers),
        ]
        return bounds.first { $0.1 > $0.2 }.map { "\($0.0): \($0.1) of \($0.2)" }
    }

    @Test("No table grows over its bound, whatever certified peers send", arguments: 1...3)
    func bounds(seed: UInt64) {
        var crowd = HostileCrowd(seed: seed)
        var peer = MeshPeer("local", configuration: limits, seeds: ["x"])
        peer.announce("own")
        for step in 0..<1_500 {
            if step % 8 == 0 {
                peer.wait(milliseconds: UInt64.random(in: 0...900, using: &crowd.generator))
                _ = peer.handle(.tick)
            }
            _ = peer.handle(crowd.event())
            guard step % 4 == 0 else { continue }
            let excess = excess(peer.mesh)
            #expect(excess == nil, "seed \(seed), step \(step)")
            if excess != nil { return }
        }
        #expect(peer.models.contains("own"), "seed \(seed)")
    }

    @Test("A peer that ends its own records again and again doesn't use up what others need")
    func floorsOfOne() {
        var configuration = MeshConfiguration()
        (configuration.recordsPerPeer, configuration.floors) = (16, 128)
        var peer = MeshPeer("local", configuration: configuration)
        let (hostile, honest) = (ToyOwner("hostile"), ToyOwner("honest"))
        peer.meet(hostile)
        peer.meet(honest)
        for incarnation in UInt64(2)...30 {
            let record = hostile.record(incarnation: incarnation, at: epoch)
            let announcements = (0..<15).map {
                hostile.announcement("\(incarnation) \($0)", incarnation: incarnation, at: epoch)
            }
            _ = peer.handle(.message(from: hostile.id, .give(frames: [record] + announcements)))
        }
        _ = peer.handle(.restored([honest.announcement("honest", at: epoch)]))
        #expect(peer.models.contains("honest"))
    }

    @Test("A peer whose records expire again and again doesn't use up what others need")
    func expiredFloorsOfOne() {
        var configuration = MeshConfiguration()
        (configuration.recordsPerPeer, configuration.floors) = (16, 128)
        var peer = MeshPeer("local", configuration: configuration)
        let (hostile, honest) = (ToyOwner("hostile"), ToyOwner("honest"))
        for round in 0..<12 {
            let now = peer.now.wall
            let record = hostile.record(UInt64(round * 100 + 1), at: now, term: 60_000)
            let announcements = (0..<15).map {
                hostile.announcement("\(round) \($0)", UInt64(round * 100 + $0 + 2), at: now, term: 1)
            }
            _ = peer.handle(.restored([record] + announcements))
            peer.wait(milliseconds: 6_000)
            _ = peer.handle(.tick)
        }
        let now = peer.now.wall
        _ = peer.handle(.restored([honest.record(at: now), honest.announcement("honest", at: now)]))
        #expect(peer.models == ["honest"])
    }

    @Test("This peer's own offers are held and renewed also when its tables are full")
    func ownOffers() {
        var configuration = MeshConfiguration()
        configuration.floors = 8
        var peer = MeshPeer("local", configuration: configuration)
        for number in 0..<10 {
            let owner = ToyOwner("owner \(number)")
            _ = peer.handle(.restored([owner.record(at: epoch), owner.announcement("m", at: epoch)]))
        }
        peer.announce("own")
        #expect(peer.models.contains("own"))
    }

    @Test("Certified peers that greet in any number leave room for channels that this peer opens")
    func inboundChannels() {
        var configuration = MeshConfiguration()
        (configuration.channels, configuration.neighbours, configuration.directPeers) = (32, 4, 1)
        var peer = MeshPeer("local", configuration: configuration)
        let sources = (0..<4).map { ToyOwner("source \($0)") }
        _ = peer.handle(.restored(sources.map { $0.record(at: epoch) }))
        for number in 0..<60 {
            let owner = ToyOwner("crowd \(number)")
            _ = peer.handle(.hello(curveKey: owner.curveKey, record: owner.record(at: epoch)))
        }
        for source in sources {
            _ = peer.mesh.reach(source.id, now: peer.now)
            #expect(peer.mesh.hasEdge(to: source.id))
        }
    }

    @Test("Peers that went lately are remembered although many went before them")
    func lostPeers() throws {
        var lost = LostPeers(capacity: 8, life: 600 * Duration64.second)
        var generator = SeededGenerator(seed: 1)
        let now = Moment(monotonic: 0, wall: epoch)
        let early = (0..<8).map { ToyOwner("early \($0)") }
        let late = (0..<8).map { ToyOwner("late \($0)") }
        for owner in early + late {
            let record = try #require(owner.record(at: epoch).opened?.peerRecord)
            lost.insert(record, now: now, using: &generator)
        }
        let hasLate = lost.draw(now: now, using: &generator) { id in late.contains { $0.id == id } } != nil
        #expect(lost.count == 8 && hasLate)
    }
}
