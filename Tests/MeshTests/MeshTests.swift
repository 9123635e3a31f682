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
        peer.handle(.gossip(from: other.id, GossipHead(counter: counter, hops: 0), frame: frame))
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
        peer.wait(milliseconds: 300)
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
        _ = hear(frame, counter: 4)
        for (counter, expected) in [(5, false), (6, false), (8, true), (9, false), (100, true)] as [(UInt64, Bool)] {
            peer.wait(milliseconds: 300)
            #expect(asks(hear(frame, counter: counter)) == expected, "\(counter)")
        }
    }

    @Test("Counters at the end of all numbers, in any order, end nothing")
    mutating func hostileCounters() {
        let counters: [UInt64] = [.max, .max, 1, .max - 1, .max, 0, 0, 7, .max, .max]
        for (number, counter) in counters.enumerated() {
            _ = hear(other.announcement("m", UInt64(number + 2), at: epoch), counter: counter)
        }
        #expect(peer.models == ["m"])
        #expect(peer.mesh.statistics.missed == .max)
    }

    @Test("A frame, or a proof, that is larger than the wire allows is refused before anything of it is read")
    mutating func oversized() {
        let huge = [UInt8](repeating: 0, count: WireLimits.gossipFrame + 1)
        #expect(MeshPeer.refusals(hear(huge)) == [.malformed])
        #expect(MeshPeer.refusals(hear(Array("MXEP".utf8) + huge, counter: 2)) == [.malformed])
        let frame = other.announcement("m", at: epoch)
        #expect(MeshPeer.refusals(hear(frame + huge, counter: 3)) == [.malformed])
        #expect(peer.mesh.blockedPeers == [other.id] && peer.models.isEmpty)
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
        peer.meet(ToyOwner("listener"))
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

    @Test("A goodbye ends the very versions that are held, whatever beacon comes after it")
    mutating func goodbye() {
        let frames = [other.record(2, at: epoch), other.beacon(at: epoch), other.announcement("m", 3, at: epoch)]
        _ = peer.handle(.restored(frames))
        #expect(peer.models == ["m"])
        _ = peer.handle(.message(from: other.id, .goodbye))
        _ = peer.handle(.restored(frames))
        _ = peer.handle(.hello(curveKey: other.curveKey, record: frames[0]))
        #expect(peer.models.isEmpty && !peer.mesh.knownPeers.contains(other.id))
    }
}
