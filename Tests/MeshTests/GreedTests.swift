import Digest
import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

@Suite("Neighbours that ask for too much")
struct GreedTests {
    private let greedy = ToyOwner("greedy")

    /// A peer that holds a thousand records, and may give little.
    private func rich() -> MeshPeer {
        var configuration = MeshConfiguration()
        (configuration.giveRate, configuration.giveBurst) = (50_000, 200_000)
        var peer = MeshPeer("local", configuration: configuration)
        for number in 0..<20 {
            let owner = ToyOwner("owner \(number)")
            let announcements = (0..<20).map { owner.announcement("model \($0)", UInt64($0 + 2), at: epoch) }
            _ = peer.handle(.restored([owner.record(at: epoch)] + announcements))
        }
        peer.meet(greedy)
        return peer
    }

    private func bytes(_ effects: [MeshEffect]) -> Int {
        effects.reduce(0) { sum, effect in
            if case .send(greedy.id, let message) = effect { sum + message.encoded.count } else { sum }
        }
    }

    @Test("What it is told, by snapshots, listings or gifts, is within its rate", arguments: 0..<4)
    func rates(kind: Int) throws {
        var peer = rich()
        let ids = peer.mesh.everything().compactMap { change -> RecordID? in
            if case .record(let id, _, _, _, _, _) = change { id } else { nil }
        }
        let everything = (0..<ControlMessage.bucketCount).map { UInt8($0) }
        let message: ControlMessage =
            switch kind {
            case 0: .snapshotRequest(request: 1, filter: .everything, cursor: nil)
            case 1: .digestSummary(buckets: [UInt64](repeating: 1, count: ControlMessage.bucketCount), trust: 0)
            case 2: .digestListing(buckets: everything, entries: [])
            default: .want(records: ids)
            }
        var told = 0
        for _ in 0..<100 {
            peer.wait(milliseconds: 10)
            for _ in 0..<5 { told += bytes(peer.handle(.message(from: greedy.id, message))) }
        }
        #expect(told > 10_000)
        // The burst, a second's worth, and the heads of messages.
        #expect(told < 280_000, "\(told)")
    }

    @Test("Questions cost their answers: so many a second are looked at, whoever asks more often is not answered")
    func questions() {
        var peer = MeshPeer("local")
        peer.meet(greedy)
        let question = ControlMessage.snapshotRequest(request: 1, filter: .everything, cursor: nil)
        var answers = 0
        for _ in 0..<1_000 {
            peer.wait(milliseconds: 1)
            answers += peer.handle(.message(from: greedy.id, question)).count
        }
        #expect(answers > 10 && answers <= 200, "\(answers)")
        peer.wait(milliseconds: 10_000)
        #expect(peer.handle(.message(from: greedy.id, question)).count == 1, "after a while it is answered again")
    }

    @Test("A record that is asked for a thousand times in one message is given once")
    func repeated() throws {
        var peer = rich()
        let id = try #require(
            peer.mesh.everything().compactMap { change -> RecordID? in
                if case .record(let id, _, _, .announcement, _, _) = change { id } else { nil }
            }.first)
        let want = ControlMessage.want(records: [RecordID](repeating: id, count: 1_000))
        let given = peer.handle(.message(from: greedy.id, want)).reduce(0) { count, effect in
            if case .send(_, .give(let frames)) = effect { count + frames.count } else { count }
        }
        #expect(given == 2)
        let listing = ControlMessage.digestListing(buckets: [UInt8](repeating: 7, count: 256), entries: [])
        var identities: [[UInt8]] = []
        for case .send(_, .give(let frames)) in peer.handle(.message(from: greedy.id, listing)) { identities += frames }
        #expect(Set(identities).count == identities.count)
    }

    @Test("A neighbour that lists what isn't there is asked for it, and keeps nobody else's records out")
    func lyingListing() {
        var (left, right) = (MeshPeer("left"), MeshPeer("right"))
        left.meet(right)
        right.meet(left)
        left.meet(greedy)
        let owner = ToyOwner("owner")
        _ = right.handle(.restored([owner.record(at: epoch), owner.announcement("m", at: epoch)]))
        let lies = (0..<8_000).map { number in
            RecordStamp(
                record: RecordID(BLAKE2b.digest([UInt8(number & 255), UInt8(number >> 8)])),
                version: Version(incarnation: .max, sequence: .max))
        }
        let everything = (0..<ControlMessage.bucketCount).map { UInt8($0) }
        let effects = left.handle(.message(from: greedy.id, .digestListing(buckets: everything, entries: lies)))
        var wanted = 0
        for case .send(greedy.id, .want(let records)) in effects { wanted += records.count }
        #expect(wanted == left.mesh.configuration.exchangeRecords)
        left.wait(milliseconds: 1_000)
        right.wait(milliseconds: 1_000)
        let tick = right.handle(.tick)
        _ = MeshPeer.talk(&right, &left, beginning: tick)
        #expect(left.models == ["m"])
    }

    @Test("Records that are refused each time don't keep others from being asked for")
    func refusedRecords() {
        var configuration = MeshConfiguration()
        configuration.exchangeRecords = 4
        var (left, right) = (MeshPeer("left", configuration: configuration), MeshPeer("right"))
        let (bad, good) = (ToyOwner("bad"), ToyOwner("good"))
        left.authority.distrusted = [bad.id]
        let announcements = (0..<40).map { bad.announcement("model \($0)", at: epoch, term: 60_000) }
        _ = right.handle(.restored([bad.record(at: epoch, term: 60_000)] + announcements))
        _ = right.handle(
            .restored([good.record(at: epoch, term: 60_000), good.announcement("good", at: epoch, term: 60_000)]))
        left.meet(right)
        right.meet(left)
        for _ in 0..<60 where left.models.isEmpty {
            left.wait(milliseconds: 500)
            right.wait(milliseconds: 500)
            let buckets = ControlMessage.digestSummary(buckets: left.mesh.store.buckets, trust: 0)
            _ = MeshPeer.talk(&left, &right, beginning: [.send(to: right.owner.id, buckets)])
        }
        #expect(left.models == ["good"])
    }

    @Test("Two words under one version that two neighbours hold are found in their exchange, and both convict")
    func contradiction() {
        var (left, right) = (MeshPeer("left"), MeshPeer("right"))
        left.meet(right)
        right.meet(left)
        let owner = ToyOwner("owner")
        let record = owner.record(at: epoch, term: 60_000)
        _ = left.handle(.restored([record, owner.announcement("m", at: epoch, term: 60_000, slots: 1)]))
        _ = right.handle(.restored([record, owner.announcement("m", at: epoch, term: 60_000, slots: 2)]))
        for _ in 0..<3 {
            left.wait(milliseconds: 500)
            right.wait(milliseconds: 500)
            let buckets = ControlMessage.digestSummary(buckets: left.mesh.store.buckets, trust: 0)
            _ = MeshPeer.talk(&left, &right, beginning: [.send(to: right.owner.id, buckets)])
        }
        #expect(left.mesh.quarantinedPeers == [owner.id] || right.mesh.quarantinedPeers == [owner.id])
        left.wait(milliseconds: 12_000)
        right.wait(milliseconds: 12_000)
        for case .changed in left.handle(.tick) {}
        let trust = ControlMessage.digestSummary(buckets: left.mesh.store.buckets, trust: left.mesh.trustDigest)
        _ = MeshPeer.talk(&left, &right, beginning: [.send(to: right.owner.id, trust)])
        let back = ControlMessage.digestSummary(buckets: right.mesh.store.buckets, trust: right.mesh.trustDigest)
        _ = MeshPeer.talk(&right, &left, beginning: [.send(to: left.owner.id, back)])
        #expect(left.mesh.quarantinedPeers == [owner.id] && right.mesh.quarantinedPeers == [owner.id])
    }
}
