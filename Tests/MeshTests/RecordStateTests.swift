import Digest
import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

@Suite("Records in any order")
struct RecordStateTests {
    /// Lives of several owners that end now; the last two contradict themselves, one of them in what it says last.
    private func stories(_ generator: inout SeededGenerator) -> [ToyStory] {
        var stories: [ToyStory] = []
        for number in 0..<5 {
            let steps = Int.random(in: 4...10, using: &generator)
            var story = ToyStory.random(
                "owner \(number)", steps: steps, from: epoch - Int64(steps) * 1_000, using: &generator)
            if number == 3, !story.hasDeparted { story.contradict("a", at: epoch) }
            if number == 4, !story.hasDeparted {
                story.contradict("b", at: epoch)
                story.announce("b", at: epoch)
                story.renew(at: epoch)
            }
            stories.append(story)
        }
        return stories
    }

    @Test("The same records in any order, twice or late, give the same state everywhere", arguments: 1...8)
    func order(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let frames = stories(&generator).flatMap(\.frames)
        var receivers = ["left", "middle", "right"].map { ToyReceiver($0) }
        for index in receivers.indices {
            receivers[index].takeShuffled(frames, lossPercent: 40, using: &generator)
        }
        for _ in 0..<3 {
            let proofs = receivers.flatMap(\.proofs)
            for index in receivers.indices { receivers[index].takeShuffled(frames + proofs, using: &generator) }
        }
        let states = receivers.map(\.state)
        #expect(states[0] == states[1], "seed \(seed)")
        #expect(states[1] == states[2], "seed \(seed)")
        #expect(!states[0].isEmpty, "seed \(seed)")
        let reversals = receivers.flatMap(\.reversals)
        #expect(reversals.isEmpty, "seed \(seed)")
    }

    @Test("Of all that was ever said only what its owner still offers is chosen from", arguments: 1...8)
    func offers(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let all = stories(&generator).prefix(3)
        var receiver = ToyReceiver("local")
        for _ in 0..<3 { receiver.takeShuffled(all.flatMap(\.frames), using: &generator) }
        for story in all where !receiver.peer.mesh.quarantinedPeers.contains(story.owner.id) {
            let offered = receiver.peer.mesh.sources(atWall: epoch).filter { $0.peerID == story.owner.id }
            let models = Set(offered.map(\.announcement.identity.model))
            #expect(models == (story.hasDeparted ? [] : story.offered), "seed \(seed)")
        }
    }

    @Test("Nothing that ended comes back, whatever is played back, before and after its end", arguments: 1...4)
    func resurrection(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let frames = stories(&generator).flatMap(\.frames)
        var receiver = ToyReceiver("local")
        for _ in 0..<3 { receiver.takeShuffled(frames, using: &generator) }
        var before = Set(receiver.choices)
        for pause in [1, 4, 3, 4, 2, 20, 40, 80, 200] as [UInt64] {
            receiver.peer.wait(milliseconds: pause * 1_000)
            _ = receiver.peer.handle(.tick)
            receiver.meetCourier()
            for _ in 0..<2 { receiver.takeShuffled(frames, using: &generator) }
            let after = Set(receiver.choices)
            #expect(after.isSubset(of: before), "seed \(seed), \(receiver.peer.now.wall - epoch) ms later")
            before = after
        }
        #expect(before.isEmpty, "seed \(seed)")
        #expect(Set(receiver.peer.mesh.knownPeers) == [receiver.peer.owner.id, receiver.courier.id], "seed \(seed)")
        #expect(receiver.reversals.isEmpty, "seed \(seed)")
    }

    @Test("What a living owner withdrew stays withdrawn, whatever is played back for as long as it lives")
    func withdrawn() {
        var generator = SeededGenerator(seed: 7)
        var story = ToyStory("owner")
        story.introduce(at: epoch)
        for model in ["a", "b", "c"] { story.announce(model, at: epoch) }
        story.renew(at: epoch)
        story.announce("a", at: epoch, state: .tombstone)
        story.announce("c", at: epoch, state: .tombstone)
        story.announce("c", at: epoch)
        var receiver = ToyReceiver("local")
        for step in 0..<60 {
            story.renew(at: receiver.peer.now.wall)
            receiver.take(story.frames.suffix(1), by: .gossip)
            receiver.takeShuffled(story.frames, using: &generator)
            receiver.takeShuffled(story.frames, using: &generator)
            #expect(receiver.peer.models == ["b", "c"], "step \(step)")
            receiver.peer.wait(milliseconds: step % 10 == 9 ? 12_000 : 3_000)
            _ = receiver.peer.handle(.tick)
            receiver.meetCourier()
        }
        #expect(receiver.reversals.isEmpty)
    }

    @Test("A beacon that comes before its incarnation's record renews what comes after it")
    func earlyBeacon() {
        var story = ToyStory("owner")
        story.introduce(at: epoch)
        story.renew(at: epoch)
        var receiver = ToyReceiver("local")
        receiver.take(story.frames, by: .gift)
        let old = story.frames
        story.beginAnew(at: epoch)
        story.announce("m", at: epoch, term: 1_000)
        story.renew(at: epoch)
        receiver.take([story.frames[4]], by: .gossip)
        receiver.take([story.frames[2]], by: .gossip)
        receiver.take([story.frames[3]], by: .gossip)
        receiver.take(old, by: .gift)
        receiver.peer.wait(milliseconds: 10_000)
        #expect(receiver.peer.models == ["m"])
        #expect(receiver.reversals.isEmpty)
    }

    @Test("A beacon of an earlier incarnation is not taken again")
    func staleBeacon() {
        var story = ToyStory("owner")
        story.introduce(at: epoch)
        story.renew(at: epoch)
        story.beginAnew(at: epoch)
        var receiver = ToyReceiver("local")
        receiver.take(story.frames, by: .gift)
        receiver.take([story.frames[1]], by: .gossip)
        #expect(receiver.peer.mesh.beacon(of: story.owner.id) == nil)
    }
}
