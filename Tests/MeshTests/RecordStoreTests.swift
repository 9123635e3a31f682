import Digest
import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

@Suite("The store's own books")
struct RecordStoreTests {
    /// The same records in a store that never held another.
    private func rebuilt(_ store: RecordStore) -> RecordStore {
        var fresh = RecordStore(configuration: store.configuration)
        for peer in store.peers.keys.sorted() {
            guard let holdings = store.peers[peer] else { continue }
            _ = fresh.apply(holdings.own)
            for announcement in holdings.announcements { _ = fresh.apply(announcement) }
        }
        return fresh
    }

    private func check(_ store: RecordStore, _ note: Comment) {
        let fresh = rebuilt(store)
        #expect(store.order == store.peers.keys.sorted(), note)
        #expect(store.recordCount == store.peers.values.reduce(0) { $0 + $1.count }, note)
        #expect(store.buckets == fresh.buckets, note)
        #expect(store.peers(of: ToyOwner("owner 0").chain.grant.value.id) == store.count, note)
        let everything = (0..<ControlMessage.bucketCount).map { UInt8($0) }
        let stamps = store.stamps(inBuckets: everything, limit: .max).stamps
        #expect(stamps.count == store.recordCount && Set(stamps.map(\.record)).count == stamps.count, note)
        var hasAll = true
        for holdings in store.peers.values {
            hasAll = hasAll && holdings.setDigest == fresh.peers[holdings.id]?.setDigest
            let ids = holdings.announcements.map(\.record)
            hasAll = hasAll && ids == ids.sorted()
            for frame in [holdings.own] + holdings.announcements {
                hasAll =
                    hasAll && store.frame(of: frame.record) === frame && store.owner(of: frame.record) == holdings.id
            }
        }
        #expect(hasAll, note)
    }

    @Test("Order, counts and digests are those of what is held, after any history", arguments: 1...8)
    func books(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var configuration = MeshConfiguration()
        (configuration.peers, configuration.recordsPerPeer, configuration.floors) = (5, 4, 60)
        var store = RecordStore(configuration: configuration)
        let local = ToyOwner("owner 0").id
        let stories = (0..<7).map {
            ToyStory.random("owner \($0)", steps: 10, from: epoch, using: &generator)
        }
        let frames = stories.flatMap(\.frames).compactMap(\.opened)
        for step in 0..<300 {
            let peer = stories.randomElement(using: &generator)?.owner.id ?? local
            switch Int.random(in: 0..<40, using: &generator) {
            case 0: store.remove(peer, isFinal: true)
            case 1: store.remove(peer, isFinal: false)
            case 2: _ = store.expire(atWall: epoch + Int64.random(in: 0...24_000, using: &generator), besides: local)
            case 3: _ = store.expire(atWall: epoch + 120_000, besides: local)
            case 4: store.keep(peer, untilWall: epoch + 20_000)
            default:
                guard let frame = frames.randomElement(using: &generator) else { continue }
                if frame.purpose == .beacon { _ = store.applyBeacon(frame) } else { _ = store.apply(frame) }
            }
            if step % 5 == 0 { check(store, "seed \(seed), step \(step)") }
        }
        check(store, "seed \(seed)")
        #expect(store.count <= 5 && store.floorCount <= 60, "seed \(seed)")
    }

    @Test("No more stamps are listed than fit, in whole buckets, and none is left out for ever")
    func listing() {
        var store = RecordStore(configuration: MeshConfiguration())
        var story = ToyStory("owner")
        story.introduce(at: epoch)
        for number in 0..<200 { story.announce("model \(number)", at: epoch) }
        for frame in story.frames.compactMap(\.opened) { _ = store.apply(frame) }
        let everything = (0..<ControlMessage.bucketCount).map { UInt8($0) }
        var found: Set<RecordID> = []
        for start in everything.indices {
            let wanted = Array(everything[start...] + everything[..<start])
            let (buckets, stamps) = store.stamps(inBuckets: wanted, limit: 20)
            #expect(stamps.count <= 20 && buckets.count <= wanted.count)
            let isWhole = Set(stamps.map { RecordStore.bucket(of: $0.record) }).isSubset(of: buckets.map(Int.init))
            #expect(isWhole)
            found.formUnion(stamps.map(\.record))
        }
        #expect(found.count == store.recordCount)
    }
}
