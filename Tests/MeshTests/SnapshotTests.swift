import Digest
import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

@Suite("Snapshots")
struct SnapshotTests {
    /// A server that knows so many peers; each tenth offers "wanted", all offer something.
    private func server(peers count: Int, _ adapt: (inout MeshConfiguration) -> Void = { _ in }) -> MeshPeer {
        var configuration = MeshConfiguration()
        adapt(&configuration)
        var server = MeshPeer("server", configuration: configuration)
        for number in 0..<count {
            let owner = ToyOwner("owner \(number)")
            let models = number % 10 == 0 ? ["wanted", "other"] : ["m\(number % 7)"]
            _ = server.handle(
                .restored(
                    [owner.record(at: epoch), owner.beacon(at: epoch)]
                        + models.map { owner.announcement($0, at: epoch) }))
        }
        return server
    }

    /// A newcomer that has just been let in, and what it asks.
    private func joiner(_ server: inout MeshPeer, wanting interests: [SnapshotInterest] = []) -> (
        MeshPeer, [MeshEffect]
    ) {
        var joiner = MeshPeer("joiner")
        server.meet(joiner)
        for interest in interests { _ = joiner.mesh.note(interest: interest, now: joiner.now) }
        _ = joiner.handle(.hello(curveKey: server.owner.curveKey, record: server.ownFrame))
        let asked = joiner.handle(.message(from: server.owner.id, .welcome(record: server.ownFrame)))
        return (joiner, asked)
    }

    private func pages(_ effects: [MeshEffect]) -> [SnapshotPage] {
        effects.compactMap { if case .send(_, .snapshotPage(_, let page)) = $0 { page } else { nil } }
    }

    private func requests(_ effects: [MeshEffect]) -> [ControlMessage] {
        effects.compactMap { effect in
            if case .send(_, let message) = effect, case .snapshotRequest = message { message } else { nil }
        }
    }

    private func manifest(_ page: SnapshotPage) throws -> SnapshotManifest {
        try SnapshotManifest(decoding: try SignedFrame(decoding: page.manifest).payload)
    }

    @Test("A newcomer of a large mesh gets the sources of what it wants and some peers beside them, whole")
    func filtered() {
        var server = server(peers: 200)
        var (joiner, asked) = joiner(&server, wanting: [SnapshotInterest(.model("wanted"), rank: 0)])
        _ = MeshPeer.talk(&joiner, &server, beginning: asked)
        #expect(joiner.models.count { $0 == "wanted" } == 20)
        // All that such a peer offers is there: its beacon renews the whole set.
        #expect(joiner.models.count { $0 == "other" } == 20)
        #expect(joiner.mesh.knownPeers.count < 60)
        #expect(joiner.mesh.statistics.snapshotsTaken == 1 && joiner.mesh.statistics.snapshotsAbandoned == 0)
    }

    @Test("A filter may name a source id or a model, and a rank that nobody has matches nobody")
    func interests() throws {
        var server = server(peers: 200) { $0.snapshotContacts = 0 }
        server.meet(ToyOwner("asker"))
        let source = SourceIdentity(model: "wanted", revision: "r", stage: .files).id
        for (interest, peers) in [
            (SnapshotInterest(.source(source)), 20), (SnapshotInterest(.source(source), rank: 0), 20),
            (SnapshotInterest(.model("wanted"), rank: 1), 0), (SnapshotInterest(.model("nothing")), 0),
        ] {
            let question = ControlMessage.snapshotRequest(request: 1, filter: .interests([interest]), cursor: nil)
            let page = try #require(pages(server.handle(.message(from: ToyOwner("asker").id, question))).first)
            #expect(try manifest(page).peers == peers, "\(interest)")
        }
    }

    @Test("All who ask for the same within a second get the same bytes, and one more is made after it")
    func sharedSnapshot() throws {
        var server = server(peers: 100)
        let askers = (0..<5).map { ToyOwner("asker \($0)") }
        for asker in askers { server.meet(asker) }
        let question = ControlMessage.snapshotRequest(request: 1, filter: .everything, cursor: nil)
        var got = askers.flatMap { pages(server.handle(.message(from: $0.id, question))) }
        #expect(got.count == 5 && Set(got).count == 1 && server.mesh.statistics.snapshotsMade == 1)
        server.wait(milliseconds: 1_001)
        got += pages(server.handle(.message(from: askers[0].id, question)))
        #expect(try manifest(got[5]).sequence == manifest(got[0]).sequence + 1)
    }

    @Test(
        "What came is not sent again: a lost page is asked for once it is late, also after the snapshot has been replaced"
    )
    func resumed() throws {
        var server = server(peers: 120) { $0.pageBytes = 20_000 }
        var (joiner, asked) = joiner(&server)
        joiner.mesh.taking?.filter = .everything
        let request = joiner.mesh.taking?.request ?? 0
        let question = ControlMessage.snapshotRequest(request: request, filter: .everything, cursor: nil)
        let given = pages(server.handle(.message(from: joiner.owner.id, question)))
        let first = try #require(given.first)
        #expect(first.frames.count < 120)
        asked = joiner.handle(
            .message(from: server.owner.id, .snapshotPage(request: joiner.mesh.taking?.request ?? 0, page: first)))
        #expect(requests(asked).count == 1)
        // That request is lost, and somebody else has made the server take a new snapshot.
        joiner.wait(milliseconds: 2_001)
        server.wait(milliseconds: 2_001)
        server.meet(ToyOwner("other"))
        _ = server.handle(
            .message(from: ToyOwner("other").id, .snapshotRequest(request: 1, filter: .everything, cursor: nil)))
        let again = requests(joiner.handle(.tick))
        guard case .snapshotRequest(_, _, let cursor?)? = again.first else {
            Issue.record("no request that goes on: \(again)")
            return
        }
        #expect(cursor.offset == UInt32(first.frames.count))
        let made = server.mesh.statistics.snapshotsMade
        let beginning = again.map { MeshEffect.send(to: server.owner.id, $0) }
        _ = MeshPeer.talk(&joiner, &server, beginning: beginning)
        #expect(joiner.mesh.statistics.snapshotsTaken == 1 && server.mesh.statistics.snapshotsMade == made)
        #expect(joiner.mesh.knownPeers.count >= 121)
    }

    @Test("A server that has forgotten the snapshot, or started anew, begins another, and the newcomer takes it")
    func begunAnew() {
        var server = server(peers: 120) { $0.pageBytes = 20_000 }
        var (joiner, asked) = joiner(&server)
        let first = server.handle(.message(from: joiner.owner.id, requests(asked)[0]))
        asked = joiner.handle(
            .message(
                from: server.owner.id, .snapshotPage(request: joiner.mesh.taking?.request ?? 0, page: pages(first)[0])))
        server.mesh.shelf = SnapshotShelf(configuration: server.mesh.configuration)
        _ = server.mesh.shelf.begin(now: server.now)
        _ = MeshPeer.talk(&joiner, &server, beginning: asked)
        #expect(joiner.mesh.statistics.snapshotsTaken == 1)
    }

    @Test("After some pages that never come it gives up, and exchanges bring everything")
    func abandoned() {
        var server = server(peers: 30)
        var (joiner, _) = joiner(&server)
        for _ in 0..<4 {
            joiner.wait(milliseconds: 2_001)
            server.wait(milliseconds: 2_001)
            _ = joiner.handle(.tick)
        }
        #expect(joiner.mesh.taking == nil && joiner.mesh.statistics.snapshotsAbandoned == 1)
    }

    enum Fault: CaseIterable {
        case foreignSignature, wrongDigest, wrongOffset, tooMany, otherFilter, older, empty
    }

    @Test("A page that its maker can't have meant is refused, and strikes its sender", arguments: Fault.allCases)
    func spoiled(fault: Fault) {
        var (server, stranger) = (server(peers: 2), ToyOwner("stranger"))
        var (joiner, _) = joiner(&server)
        let frames = [stranger.record(at: epoch)]
        if fault == .older {
            joiner.mesh.edges[server.owner.id]?.snapshot = SnapshotCursor(epoch: 1, sequence: 9, offset: 0)
        }
        let page =
            switch fault {
            case .foreignSignature: stranger.page(frames)
            case .wrongDigest: server.owner.page(frames, digest: .zero)
            case .wrongOffset: server.owner.page(frames, offset: 1)
            case .tooMany: server.owner.page(frames, count: 0)
            case .otherFilter: server.owner.page(frames, filter: .interests([SnapshotInterest(.model("x"))]))
            case .older: server.owner.page(frames, sequence: 8)
            case .empty: server.owner.page([], count: 3)
            }
        let request = joiner.mesh.taking?.request ?? 0
        let effects = joiner.handle(.message(from: server.owner.id, .snapshotPage(request: request, page: page)))
        #expect(MeshPeer.refusals(effects) == [.malformed])
        #expect(joiner.mesh.taking == nil && joiner.mesh.edges[server.owner.id]?.strikes == 1)
    }

    @Test("A page that nobody asked for, or of an earlier request, changes nothing and blames nobody")
    func unasked() {
        var server = server(peers: 2)
        var (joiner, _) = joiner(&server)
        let page = server.owner.page([ToyOwner("stranger").record(at: epoch)])
        let known = joiner.mesh.knownPeers
        _ = joiner.handle(.message(from: server.owner.id, .snapshotPage(request: 77, page: page)))
        joiner.mesh.taking = nil
        _ = joiner.handle(.message(from: server.owner.id, .snapshotPage(request: 1, page: page)))
        #expect(joiner.mesh.knownPeers == known && joiner.mesh.edges[server.owner.id]?.strikes == 0)
    }

    @Test("However many filters are asked for, few snapshots are made and fewer kept")
    func bounded() {
        var server = server(peers: 100)
        let asker = ToyOwner("asker")
        server.meet(asker)
        for number in 0..<100 {
            let filter = SnapshotFilter.interests([SnapshotInterest(.model("x\(number)"))])
            _ = server.handle(.message(from: asker.id, .snapshotRequest(request: 1, filter: filter, cursor: nil)))
        }
        #expect(server.mesh.statistics.snapshotsMade <= 33)
        #expect(server.mesh.shelf.snapshots.count <= server.mesh.configuration.snapshots)
    }

    @Test("Who has joined and then wants what it knows nobody for asks for that alone")
    func laterInterest() {
        var server = server(peers: 200)
        var (joiner, asked) = joiner(&server)
        _ = MeshPeer.talk(&joiner, &server, beginning: asked)
        let wanted = SnapshotInterest(.model("m3"), rank: 0)
        joiner.mesh.store = RecordStore(configuration: joiner.mesh.configuration)
        _ = joiner.handle(.message(from: server.owner.id, .welcome(record: server.ownFrame)))
        joiner.mesh.taking = nil
        asked = joiner.mesh.note(interest: wanted, now: joiner.now)
        #expect(requests(asked).count == 1)
        _ = MeshPeer.talk(&joiner, &server, beginning: asked)
        #expect(joiner.models.contains("m3"))
        #expect(joiner.mesh.note(interest: wanted, now: joiner.now).isEmpty, "it is known by now")
    }

    @Test("Everything is given to a server, page by page")
    func everything() {
        var source = server(peers: 150) { $0.pageBytes = 20_000 }
        var configuration = MeshConfiguration()
        configuration.wantsEverything = true
        var second = MeshPeer("second", configuration: configuration)
        source.meet(second)
        _ = second.handle(.hello(curveKey: source.owner.curveKey, record: source.ownFrame))
        let asked = second.handle(.message(from: source.owner.id, .welcome(record: source.ownFrame)))
        _ = MeshPeer.talk(&second, &source, beginning: asked)
        #expect(second.mesh.knownPeers.count == 152 && second.models == source.models)
        #expect(source.mesh.statistics.snapshotPages > 3)
    }
}
