import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

@Suite("Differences between two peers")
struct ExchangeTests {
    @Test("Two peers that know different things know the same after one exchange", arguments: 1...10)
    func exchange(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var (left, right) = (MeshPeer("left"), MeshPeer("right"))
        left.meet(right)
        right.meet(left)
        let owners = (0..<12).map { ToyOwner("owner \($0)") }
        for owner in owners {
            let models = (0..<Int.random(in: 0...3, using: &generator)).map { "m\($0)" }
            let frames =
                [owner.record(at: epoch), owner.beacon(at: epoch)] + models.map { owner.announcement($0, at: epoch) }
            let whom = Int.random(in: 0...3, using: &generator)
            if whom & 1 == 1 { _ = left.handle(.restored(frames)) }
            if whom & 2 == 2 { _ = right.handle(.restored(frames)) }
            if whom == 3 { _ = left.handle(.restored([owner.announcement("m0", 7, at: epoch)])) }
        }
        left.wait(milliseconds: 1_000)
        right.wait(milliseconds: 1_000)
        let effects = left.handle(.tick)
        let carried = MeshPeer.talk(&left, &right, beginning: effects)
        #expect(left.mesh.knownPeers == right.mesh.knownPeers, "seed \(seed)")
        #expect(left.models == right.models && !left.models.isEmpty, "seed \(seed)")
        #expect(carried < 40, "seed \(seed)")
        // The next exchange finds nothing: two pings, two answers, two digests.
        left.wait(milliseconds: 1_000)
        let again = left.handle(.tick)
        let quiet = MeshPeer.talk(&left, &right, beginning: again)
        #expect(quiet <= 6, "seed \(seed): \(quiet)")
    }

    @Test("A snapshot comes in pages that hold whole peers, and brings everything")
    func snapshotPages() {
        var configuration = MeshConfiguration()
        configuration.pageBytes = 4_000
        var (server, joiner) = (MeshPeer("server", configuration: configuration), MeshPeer("joiner"))
        for number in 0..<20 {
            let owner = ToyOwner("owner \(number)")
            let models = (0..<(number == 7 ? 40 : 2)).map { "m\($0)" }
            let announcements = models.map { owner.announcement($0, at: epoch) }
            _ = server.handle(.restored([owner.record(at: epoch), owner.beacon(at: epoch)] + announcements))
        }
        server.meet(joiner)
        joiner.meet(server)
        let request = joiner.handle(.message(from: server.owner.id, .welcome(record: server.ownFrame)))
        _ = MeshPeer.talk(&joiner, &server, beginning: request)
        #expect(joiner.mesh.knownPeers.count == 22)
        joiner.wait(milliseconds: 1_000)
        let tick = joiner.handle(.tick)
        _ = MeshPeer.talk(&joiner, &server, beginning: tick)
        #expect(joiner.models == server.models && joiner.models.count == 19 * 2 + 40)
    }

    @Test("No page is larger than a control message may be")
    func pageSize() {
        var server = MeshPeer("server")
        let owner = ToyOwner("verbose")
        let long = String(repeating: "x", count: 1_000)
        let announcements = (0..<400).map { owner.announcement("\(long)\($0)", at: epoch, padding: long) }
        _ = server.handle(.restored([owner.record(at: epoch), owner.beacon(at: epoch)] + announcements))
        server.meet(owner)
        #expect(server.models.count == 400)
        var pages = 0
        for effect in server.handle(
            .message(from: owner.id, .snapshotRequest(request: 1, filter: .everything, cursor: nil)))
        {
            guard case .send(_, let message) = effect else { continue }
            #expect(message.encoded.count <= WireLimits.controlMessage)
            if case .snapshotPage = message { pages += 1 }
        }
        #expect(pages == 1)
    }

    @Test("What a store kept is taken if it still holds, and only then")
    func restored() {
        var server = MeshPeer("server")
        let (live, silent, ended) = (ToyOwner("live"), ToyOwner("silent"), ToyOwner("ended"))
        let old = epoch - 100_000
        _ = server.handle(
            .restored([
                live.record(at: old), live.beacon(at: epoch - 1_000), silent.record(at: epoch - 5_000),
                ended.record(at: old), ended.beacon(at: old), [1, 2, 3],
            ]))
        #expect(Set(server.mesh.knownPeers) == [server.owner.id, live.id, silent.id])
    }
}
