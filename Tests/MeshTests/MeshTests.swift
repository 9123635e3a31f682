import Digest
import Mesh
import Records
import Testing

private let epoch = MeshPeer.epoch

@Suite("Frames that reach a mesh")
struct FrameTests {
    private var peer = MeshPeer("local")
    private let other = ToyOwner("other")
    private let stranger = ToyOwner("stranger")

    init() { peer.meet(other) }

    private mutating func hear(_ frame: [UInt8], counter: UInt64 = 1) -> [MeshEffect] {
        peer.handle(.gossip(from: other.id, counter: counter, frame: frame))
    }

    @Test("A hello whose chain is for another CURVE key than the channel's is refused")
    mutating func wrongCurveKey() {
        let effects = peer.handle(.hello(curveKey: other.curveKey, record: stranger.record(at: epoch)))
        #expect(effects == [.changed(.refused(from: nil, reason: .malformed))])
    }

    @Test("A peer whose chain is not believed is not admitted")
    mutating func untrusted() {
        peer.authority.distrusted = [stranger.id]
        let effects = peer.handle(.hello(curveKey: stranger.curveKey, record: stranger.record(at: epoch)))
        #expect(effects == [.changed(.refused(from: nil, reason: .untrusted))])
        #expect(!peer.mesh.knownPeers.contains(stranger.id))
    }

    @Test("A forged frame is refused, and the honest one with the same payload is taken after it")
    mutating func forgedThenHonest() throws {
        let honest = try SignedFrame(decoding: other.announcement("m", at: epoch))
        let signature = try #require(Signature([UInt8](repeating: 7, count: 64)))
        let forged = SignedFrame(
            purpose: honest.purpose, author: honest.author, payload: honest.payload, signature: signature)
        #expect(MeshPeer.refusals(hear(forged.encoded)) == [.badSignature])
        #expect(MeshPeer.refusals(hear(forged.encoded, counter: 2)) == [.badSignature])
        #expect(MeshPeer.refusals(hear(honest.encoded, counter: 3)).isEmpty)
        #expect(peer.models == ["m"])
    }

    @Test("Terms of nothing or over the cap, and issue in the future, are refused")
    mutating func validity() {
        let late = epoch + ValidityLimits.skew + 1
        var frames = [other.announcement("m", at: epoch, term: 0), other.announcement("m", at: late)]
        frames += [other.announcement("m", at: epoch, term: ValidityLimits.term + 1), other.record(2, at: late)]
        frames += [other.beacon(at: late), other.beacon(at: epoch, term: ValidityLimits.term + 1)]
        frames += [stranger.record(at: epoch - 8_000 - ValidityLimits.skew), other.beacon(at: epoch - 13_000)]
        for (number, frame) in frames.enumerated() {
            #expect(MeshPeer.refusals(hear(frame, counter: UInt64(number + 1))) == [.outsideValidity], "\(number)")
        }
    }

    @Test("What a stranger says is refused, and its neighbour is asked who that is")
    mutating func unknownAuthor() {
        let effects = hear(stranger.announcement("m", at: epoch))
        #expect(MeshPeer.refusals(effects) == [.unknownAuthor])
        let asks = effects.contains { if case .send(other.id, .digestSummary) = $0 { true } else { false } }
        #expect(asks)
    }

    @Test("What a peer's role doesn't permit is refused")
    mutating func notPermitted() {
        peer.authority.isPermitting = false
        #expect(MeshPeer.refusals(hear(other.announcement("m", at: epoch))) == [.notPermitted])
        #expect(peer.models.isEmpty)
    }

    @Test("A newer version wins, an older one changes nothing, in either order")
    mutating func versions() {
        let frames = [other.announcement("m", 2, at: epoch, slots: 2), other.announcement("m", 3, at: epoch, slots: 3)]
        for order in [[0, 1], [1, 0], [1, 0, 1, 0]] {
            var copy = self
            for (counter, index) in order.enumerated() { _ = copy.hear(frames[index], counter: UInt64(counter + 1)) }
            #expect(copy.peer.mesh.sources(atWall: epoch).map(\.announcement.slots) == [3], "\(order)")
        }
    }

    @Test("A higher incarnation ends everything that the lower one said")
    mutating func incarnations() {
        _ = hear(other.announcement("m", at: epoch))
        _ = hear(other.record(1, incarnation: 2, at: epoch), counter: 2)
        #expect(peer.models.isEmpty)
        _ = hear(other.announcement("m", 9, at: epoch), counter: 3)
        _ = hear(other.record(9, at: epoch), counter: 4)
        #expect(peer.models.isEmpty)
        _ = hear(other.announcement("m", 2, incarnation: 2, at: epoch), counter: 5)
        #expect(peer.models == ["m"])
    }

    @Test("An announcement ends with its own term unless a beacon for exactly this set renews it")
    mutating func terms() {
        _ = hear(other.announcement("m", at: epoch))
        peer.wait(milliseconds: 12_999)
        #expect(peer.models == ["m"])
        _ = hear(other.beacon(at: peer.now.wall), counter: 2)
        peer.wait(milliseconds: 1)
        #expect(peer.models.isEmpty, "the beacon was for another set")
    }

    @Test("A gap in a neighbour's counter leads to a digest exchange, an unbroken count does not")
    mutating func gaps() {
        func asks(_ effects: [MeshEffect]) -> Bool {
            effects.contains { if case .send(_, .digestSummary) = $0 { true } else { false } }
        }
        let frame = other.announcement("m", at: epoch)
        for (counter, expected) in [(5, false), (6, false), (8, true), (9, false), (100, true)] as [(UInt64, Bool)] {
            #expect(asks(hear(frame, counter: counter)) == expected, "\(counter)")
        }
    }

    @Test("Only what is new and believed is passed on, and only in a mesh too large for everybody to hear everybody")
    mutating func forwarding() throws {
        func isForwarded(_ effects: [MeshEffect]) -> Bool {
            effects.contains { if case .publish = $0 { true } else { false } }
        }
        #expect(!isForwarded(hear(other.announcement("m", at: epoch))))
        var configuration = MeshConfiguration()
        configuration.directPeers = 1
        peer = MeshPeer("local", configuration: configuration)
        peer.meet(other)
        let frame = other.announcement("m", at: epoch)
        #expect(isForwarded(hear(frame, counter: 2)))
        #expect(!isForwarded(hear(frame, counter: 3)), "seen")
        #expect(!isForwarded(hear(stranger.announcement("m", at: epoch), counter: 4)), "not believed")
        #expect(!isForwarded(hear(other.announcement("n", at: epoch, term: 0), counter: 5)), "not valid")
    }

    @Test("Peers, and records of one peer, are held up to their bounds")
    mutating func bounds() {
        var configuration = MeshConfiguration()
        configuration.peers = 3
        configuration.recordsPerPeer = 3
        peer = MeshPeer("local", configuration: configuration)
        peer.meet(other)
        let frames = (0..<4).map { other.announcement("model \($0)", UInt64($0 + 2), at: epoch) }
        let refused = frames.enumerated().map { MeshPeer.refusals(hear($1, counter: UInt64($0 + 2))) }
        #expect(refused == [[], [], [.full], [.full]])
        let strangers = (0..<3).map { ToyOwner("stranger \($0)") }
        let outcomes = strangers.enumerated().map { index, stranger in
            MeshPeer.refusals(hear(stranger.record(at: epoch), counter: UInt64(index + 10)))
        }
        #expect(outcomes == [[], [.full], [.full]])
        #expect(peer.mesh.knownPeers.count == 3)
    }

    @Test("A departing record removes the peer, and its records don't return")
    mutating func departing() {
        let announcement = other.announcement("m", at: epoch)
        _ = hear(announcement)
        let effects = hear(other.record(3, at: epoch, isDeparting: true), counter: 2)
        #expect(effects.contains(.changed(.gone(other.id))) && effects.contains(.disconnect(other.id)))
        _ = peer.handle(.restored([other.record(2, at: epoch), other.beacon(at: epoch), announcement]))
        #expect(peer.models.isEmpty && !peer.mesh.knownPeers.contains(other.id))
    }
}

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
        joiner.meet(server)
        server.meet(joiner)
        let request = [MeshEffect.send(to: server.owner.id, .snapshotRequest(request: 1, cursor: 0))]
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
        #expect(server.models.count == 400)
        for effect in server.handle(.message(from: owner.id, .snapshotRequest(request: 1, cursor: 0))) {
            guard case .send(_, let message) = effect else { continue }
            #expect(message.encoded.count <= WireLimits.controlMessage)
        }
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

@Suite("The clock of a mesh")
struct MeshClockTests {
    @Test("Each tick at its deadline moves the deadline on", arguments: [[], ["a:1"], ["a:1", "b:2"]])
    func deadlines(seeds: [String]) {
        var peer = MeshPeer("local", seeds: seeds)
        peer.meet(ToyOwner("other"))
        for step in 0..<200 {
            let deadline = max(peer.mesh.nextDeadline, peer.now.monotonic)
            let passed = (deadline - peer.now.monotonic + Duration64.millisecond - 1) / Duration64.millisecond
            peer.wait(milliseconds: passed)
            _ = peer.handle(.tick)
            #expect(peer.mesh.nextDeadline > peer.now.monotonic, "step \(step)")
        }
        #expect(peer.now.monotonic > 20 * Duration64.second)
    }

    @Test("A neighbour that doesn't answer is silent after its missed pings, and gone after its term")
    func silence() {
        var peer = MeshPeer("local")
        let other = ToyOwner("other")
        peer.meet(other)
        #expect(peer.mesh.isNeighbour(other.id))
        var (silentAfter, goneAfter) = (0, 0)
        for second in 1...20 {
            peer.wait(milliseconds: 1_000)
            let effects = peer.handle(.tick)
            if effects.contains(.changed(.neighbour(other.id, isUp: false))) { silentAfter = second }
            if effects.contains(.changed(.gone(other.id))) { goneAfter = second }
        }
        #expect(silentAfter == MeshConfiguration().missedPings + 1)
        #expect(goneAfter == 13)
        #expect(peer.mesh.knownPeers == [peer.owner.id])
    }

    @Test("A peer that slept past its own term is still itself, and renews what it said")
    func ownSleep() {
        var peer = MeshPeer("local")
        peer.announce("m")
        peer.wait(milliseconds: 600_000)
        let effects = peer.handle(.tick)
        #expect(peer.models == ["m"] && peer.mesh.knownPeers == [peer.owner.id])
        let published = effects.compactMap { effect -> Purpose? in
            guard case .publish(_, let frame) = effect else { return nil }
            return try? SignedFrame(decoding: frame).purpose
        }
        #expect(published == [.beacon])
    }

    @Test("Bootstrap ports are asked each second while alone, and seldom once there is a neighbour")
    func bootstrap() {
        var peer = MeshPeer("local", seeds: ["a:1"])
        func asked(_ seconds: Int) -> Int {
            (0..<seconds).reduce(0) { count, _ in
                peer.wait(milliseconds: 1_000)
                return count + peer.handle(.tick).count { $0 == .bootstrap(address: "a:1") }
            }
        }
        #expect(asked(10) == 10)
        peer.meet(ToyOwner("other"))
        #expect(asked(3) <= 1)
    }

    @Test("Departing buries each offer, says so to all listeners and goodbye to each neighbour")
    func departing() throws {
        var peer = MeshPeer("local")
        let other = ToyOwner("other")
        peer.meet(other)
        peer.announce("m")
        peer.announce("n")
        let effects = peer.mesh.depart(now: peer.now, authority: &peer.authority)
        var buried: [String] = []
        var hasFarewell = false
        for effect in effects {
            guard case .publish(_, let bytes) = effect else { continue }
            let frame = try SignedFrame(decoding: bytes)
            if frame.purpose == .announcement {
                let announcement = try Announcement(decoding: frame.payload)
                if announcement.state == .tombstone { buried.append(announcement.identity.model) }
            } else if frame.purpose == .peerRecord {
                hasFarewell = try PeerRecord(decoding: frame.payload).isDeparting
            }
        }
        #expect(buried == ["m", "n"] && hasFarewell)
        #expect(effects.contains(.send(to: other.id, .goodbye)))
        #expect(peer.models.isEmpty)
    }
}
