import Digest
import Records
import Testing

@testable import Mesh

private let epoch = MeshPeer.epoch

@Suite("Neighbours that misbehave")
struct ConductTests {
    private var peer = MeshPeer("local")
    private let other = ToyOwner("other")
    private let victim = ToyOwner("victim")

    init() {
        peer.meet(other)
        peer.meet(victim)
    }

    private mutating func hear(_ frame: [UInt8], counter: UInt64 = 1) -> [MeshEffect] {
        peer.handle(.gossip(from: other.id, GossipHead(counter: counter, hops: 1), frame: frame))
    }

    private func forged(_ frame: [UInt8]) -> [UInt8] {
        var bytes = frame
        bytes[bytes.count - 1] ^= 1
        return bytes
    }

    private func isAdmitted(_ effects: [MeshEffect]) -> Bool {
        effects.contains { if case .admit = $0 { true } else { false } }
    }

    @Test("Three frames with a wrong signature block who passed them on, for a while and no longer")
    mutating func strikes() {
        for number in UInt64(1)...2 {
            #expect(MeshPeer.refusals(hear(forged(victim.announcement("m", number, at: epoch)))) == [.badSignature])
        }
        #expect(peer.mesh.blockedPeers.isEmpty)
        let effects = hear(forged(victim.announcement("m", 3, at: epoch)))
        #expect(effects.contains(.disconnect(other.id)) && effects.contains(.changed(.blocked(other.id))))
        #expect(effects.contains(.block(other.id, other.curveKey, nanoseconds: peer.mesh.configuration.blockTime)))
        #expect(peer.mesh.blockedPeers == [other.id] && !peer.mesh.hasEdge(to: other.id))
        let hello = MeshEvent.hello(curveKey: other.curveKey, record: other.record(at: epoch))
        #expect(peer.handle(hello).isEmpty && hear(other.announcement("m", at: epoch)).isEmpty)
        #expect(peer.handle(.message(from: other.id, .ping(request: 1, isNeighbour: false))).isEmpty)
        #expect(peer.mesh.reach(other.id, now: peer.now).isEmpty)
        #expect(!peer.mesh.blockedPeers.contains(victim.id))
        for _ in 0...60 {
            peer.wait(milliseconds: 1_000)
            _ = peer.handle(.tick)
        }
        #expect(peer.mesh.blockedPeers.isEmpty)
        let later = other.record(2, at: peer.now.wall)
        #expect(isAdmitted(peer.handle(.hello(curveKey: other.curveKey, record: later))))
    }

    @Test("A frame of another wire version, or for a purpose that isn't known yet, is refused without a strike")
    mutating func unsupported() {
        for number in UInt64(1)...10 {
            var newer = victim.announcement("m", number, at: epoch)
            newer[2] += 1
            #expect(MeshPeer.refusals(hear(newer, counter: number)) == [.unsupported])
            var unknown = victim.announcement("m", number, at: epoch)
            unknown[3] = 200
            #expect(MeshPeer.refusals(hear(unknown, counter: number)) == [.unsupported])
        }
        for number in UInt64(1)...10 {
            let newer = victim.announcementWithUnknownLane(number, at: epoch)
            #expect(MeshPeer.refusals(hear(newer, counter: number)) == [.unsupported])
        }
        for magic in ["MXGB", "MXEP", "MXRV", "MXZZ"] {
            for _ in 0..<3 {
                let refusals = MeshPeer.refusals(hear(Array(magic.utf8) + [2] + [UInt8](repeating: 7, count: 60)))
                #expect(refusals == [.unsupported], "\(magic)")
            }
        }
        #expect(peer.mesh.blockedPeers.isEmpty && peer.mesh.isNeighbour(other.id))
    }

    @Test("What an author says over its rate isn't passed on, and its latest word comes by exchange alone")
    mutating func authorRate() {
        func isPassedOn(_ effects: [MeshEffect]) -> Bool {
            effects.contains { if case .publish = $0 { true } else { false } }
        }
        var configuration = MeshConfiguration()
        (configuration.directPeers, configuration.authorBurst, configuration.authorRate) = (1, 4, 1)
        peer = MeshPeer("local", configuration: configuration)
        peer.meet(other)
        peer.meet(victim)
        var outcomes: [Bool] = []
        for number in UInt64(1)...8 {
            outcomes.append(isPassedOn(hear(other.announcement("m", number + 1, at: epoch), counter: number)))
        }
        #expect(outcomes == [true, true, true, true, false, false, false, false])
        let effects = peer.handle(.message(from: victim.id, .give(frames: [other.announcement("m", 9, at: epoch)])))
        #expect(!isPassedOn(effects))
        #expect(peer.mesh.sources(atWall: epoch).map(\.announcement.version.sequence) == [9])
        peer.wait(milliseconds: 2_000)
        #expect(isPassedOn(hear(other.announcement("m", 10, at: epoch), counter: 9)))
    }

    @Test("Forged frames in a peer's name, and its own played back, don't use up its allowance")
    mutating func allowance() {
        var configuration = MeshConfiguration()
        (configuration.authorBurst, configuration.authorRate, configuration.strikes) = (4, 1, 1_000)
        peer = MeshPeer("local", configuration: configuration)
        peer.meet(other)
        peer.meet(victim)
        let honest = victim.announcement("m", at: epoch)
        _ = hear(honest)
        for number in UInt64(0)..<20 {
            #expect(MeshPeer.refusals(hear(forged(victim.announcement("m", 3 + number, at: epoch)))) == [.badSignature])
            #expect(MeshPeer.refusals(hear(honest)).isEmpty)
        }
        #expect(MeshPeer.refusals(hear(victim.announcement("m", 50, at: epoch))).isEmpty)
        #expect(peer.mesh.sources(atWall: epoch).map(\.announcement.version.sequence) == [50])
    }

    @Test("A proof against this very peer is no reason to block who passes it on")
    mutating func ownProof() {
        let own = peer.owner
        let one = own.announcement("m", at: epoch, slots: 1)
        let proof = EquivocationProof(one, own.announcement("m", at: epoch, slots: 2), by: own.chain)
        for number in UInt64(1)...5 { _ = hear(proof.encoded, counter: number) }
        #expect(peer.mesh.blockedPeers.isEmpty && peer.mesh.quarantinedPeers.isEmpty)
    }

    @Test("A proof of two peer's records under one version is believed from anybody, once")
    mutating func recordProof() {
        let (one, two) = (victim.record(7, at: epoch), victim.record(7, at: epoch + 1))
        let proof = EquivocationProof(one, two, by: victim.chain).encoded
        let effects = hear(proof)
        #expect(effects.contains(.changed(.quarantined(victim.id))) && peer.mesh.quarantinedPeers == [victim.id])
        #expect(hear(proof, counter: 2).isEmpty)
        #expect(MeshPeer.refusals(hear(victim.record(8, at: epoch), counter: 3)) == [.quarantined])
    }

    @Test("A proof too long for a frame convicts here, and is told to nobody, who would have to refuse it")
    mutating func longProof() {
        let prefixes = (0..<26).map { String(repeating: "x", count: 1_000) + "\($0)" }
        let chain = victim.chain(prefixes: prefixes)
        func record(_ name: String) -> [UInt8] {
            let record = PeerRecord(
                version: Version(incarnation: 1, sequence: 2), validity: Validity(issuedAt: epoch, term: 8_000),
                chain: chain, endpoints: Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3),
                name: name, zone: "", host: "")
            return ToyAuthority.frame(record, by: victim.id).encoded
        }
        let effects = hear(record("one"), counter: 1) + hear(record("two"), counter: 2)
        #expect(peer.mesh.quarantinedPeers == [victim.id])
        let told = effects.contains { if case .publish = $0 { true } else { false } }
        #expect(!told)
        peer.wait(milliseconds: 20_000)
        let gifts = peer.handle(.message(from: other.id, .digestSummary(buckets: peer.mesh.store.buckets, trust: 0)))
        #expect(gifts.isEmpty)
    }

    @Test("Garbage on a channel whose peer never showed itself closes the channel")
    mutating func garbageOfUnknown() {
        let unknown = ToyOwner("unknown")
        let answer = BootstrapAnswer(
            nonce: [UInt8](repeating: 0, count: 24), chain: unknown.chain,
            endpoints: Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3), time: epoch)
        _ = peer.handle(.bootstrapAnswered(address: "x", answer: answer))
        var effects: [MeshEffect] = []
        for _ in 0..<3 { effects += peer.handle(.garbage(from: unknown.id)) }
        #expect(effects.contains(.disconnect(unknown.id)) && !peer.mesh.hasEdge(to: unknown.id))
    }

    @Test("Greetings don't keep a peer whose chain holds no longer")
    mutating func endedChain() {
        let record = other.record(at: epoch)
        #expect(isAdmitted(peer.handle(.hello(curveKey: other.curveKey, record: record))))
        peer.authority.distrusted = [other.id]
        for _ in 0..<20 {
            peer.wait(milliseconds: 1_000)
            _ = peer.handle(.tick)
            #expect(!isAdmitted(peer.handle(.hello(curveKey: other.curveKey, record: record))))
            _ = peer.handle(.message(from: other.id, .welcome(record: record)))
        }
        #expect(!peer.mesh.knownPeers.contains(other.id))
    }

    @Test("Whom this peer greeted is told nothing before it has shown a chain that holds")
    mutating func questionsOfTheUnknown() {
        let unknown = ToyOwner("unknown")
        let answer = BootstrapAnswer(
            nonce: [UInt8](repeating: 0, count: 24), chain: unknown.chain,
            endpoints: Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3), time: epoch)
        _ = peer.handle(.bootstrapAnswered(address: "x", answer: answer))
        peer.authority.distrusted = [unknown.id]
        let nothing = [UInt64](repeating: 0, count: ControlMessage.bucketCount)
        let questions: [ControlMessage] = [
            .welcome(record: unknown.record(at: epoch)), .digestSummary(buckets: nothing, trust: 1),
            .digestListing(buckets: [UInt8](0 ... .max), entries: []), .want(records: [RecordKeys.peer(other.id)]),
            .snapshotRequest(request: 1, filter: .everything, cursor: nil),
        ]
        func isTold(_ effects: [MeshEffect]) -> Bool {
            effects.contains { if case .send(unknown.id, _) = $0 { true } else { false } }
        }
        for question in questions { #expect(!isTold(peer.handle(.message(from: unknown.id, question))), "\(question)") }
        peer.authority.distrusted = []
        _ = peer.handle(.message(from: unknown.id, .welcome(record: unknown.record(at: epoch))))
        for question in questions.dropFirst() {
            #expect(isTold(peer.handle(.message(from: unknown.id, question))), "\(question)")
        }
    }

    @Test("Of a message full of forgeries no more is checked than it takes to block who sent it")
    mutating func forgedBeacons() {
        let frames = (1...200).map { forged(victim.beacon(UInt64($0), at: epoch)) }
        _ = peer.handle(.message(from: other.id, .give(frames: frames)))
        #expect(peer.mesh.blockedPeers == [other.id])
        #expect(peer.mesh.statistics.verifications <= 10)
    }

    @Test("Of a bundle no more is looked at than it takes to block who sent it, and none is opened in another")
    mutating func forgedBundle() {
        let entries = (1...50).map {
            GossipBundle.Entry(hops: 0, frame: forged(victim.announcement("m", UInt64($0), at: epoch)))
        }
        let inner = GossipBundle(entries: [.init(hops: 0, frame: victim.announcement("m", at: epoch))]).encoded
        let outer = GossipBundle(entries: [.init(hops: 0, frame: inner)]).encoded
        #expect(MeshPeer.refusals(hear(outer)) == [.unsupported] && peer.models.isEmpty)
        let effects = hear(GossipBundle(entries: entries).encoded, counter: 2)
        #expect(MeshPeer.refusals(effects) == [.badSignature, .badSignature, .badSignature])
        #expect(peer.mesh.blockedPeers == [other.id])
    }

    @Test("Revocations that nobody believes cost their checks a few times, and are told to nobody")
    mutating func falseRevocations() {
        var refusals: [RefusedFrame] = []
        for number in 0..<200 {
            let notice = Array("MXRV".utf8) + [SignedFrame.wireVersion] + [UInt8](repeating: UInt8(number), count: 200)
            let effects = hear(notice, counter: UInt64(number + 1))
            refusals += MeshPeer.refusals(effects)
            let isTold = effects.contains { if case .publish = $0 { true } else { false } }
            #expect(!isTold)
        }
        #expect(refusals.count { $0 == .untrusted } <= 100 && refusals.count == 200)
    }

    @Test("A beacon among many frames is checked once")
    mutating func beaconsOnce() {
        let owner = ToyOwner("owner")
        let before = peer.mesh.statistics.verifications
        _ = peer.handle(.restored([owner.record(at: epoch), owner.beacon(at: epoch)]))
        #expect(peer.mesh.statistics.verifications - before == 2)
    }

    @Test(
        "Chains that nobody believes cost their checks a few times, and then those of their bringer are not looked at")
    mutating func forgedChains() {
        let strangers = (0..<300).map { ToyOwner("stranger \($0)") }
        peer.authority.distrusted = Set(strangers.map(\.id))
        let before = peer.authority.judged
        for (number, stranger) in strangers.enumerated() {
            _ = hear(stranger.record(at: epoch), counter: UInt64(number + 1))
        }
        #expect(peer.authority.judged - before <= 100)
        #expect(
            MeshPeer.refusals(
                peer.handle(.message(from: victim.id, .give(frames: [ToyOwner("new").record(at: epoch)])))) == [])
        #expect(peer.mesh.blockedPeers.isEmpty)
        peer.wait(milliseconds: 60_000)
        _ = peer.handle(.hello(curveKey: other.curveKey, record: other.record(2, at: peer.now.wall)))
        _ = hear(ToyOwner("newer").record(at: peer.now.wall), counter: 1_000)
        #expect(peer.mesh.knownPeers.contains(ToyOwner("newer").id))
    }

    @Test("The clock's offset is the middle one of what neighbours' own first-hand frames say")
    mutating func clockOffset() {
        let third = ToyOwner("third")
        peer.meet(third)
        #expect(peer.mesh.clockOffset == nil)
        for (owner, offset) in [(other, 4_000), (victim, -300), (third, 20)] as [(ToyOwner, Int64)] {
            let head = GossipHead(counter: 1, hops: 0)
            _ = peer.handle(.gossip(from: owner.id, head, frame: owner.beacon(at: epoch + offset)))
        }
        #expect(peer.mesh.clockOffset == 20)
        let passedOn = GossipHead(counter: 2, hops: 1)
        _ = peer.handle(.gossip(from: third.id, passedOn, frame: third.beacon(2, at: epoch - 2_000)))
        #expect(peer.mesh.clockOffset == 20)
    }
}
