import Records
import Testing

@testable import Mesh

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

    @Test("A mesh is set up for its size, and a few peers that come and go don't change that")
    func presets() {
        let all = MeshPreset.all
        #expect(
            [1, 32, 33, 200, 201, 2_000, 2_001, 1_000_000].map { all.choose(forPeers: $0, present: .ten).upTo }
                == [32, 32, 200, 200, 2_000, 2_000, .max, .max])
        #expect(all.choose(forPeers: 190, present: .thousand) == .thousand)
        #expect(all.choose(forPeers: 151, present: .thousand) == .thousand)
        #expect(all.choose(forPeers: 150, present: .thousand) == .hundred)
        #expect(all.choose(forPeers: 3, present: .tenThousand) == .ten)
        #expect([MeshPreset]().choose(forPeers: 7, present: .ten) == .ten)
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

    @Test("A hello is no answer to a ping: who greets on a channel that it forgot is greeted back")
    func forgottenChannel() {
        var peer = MeshPeer("local")
        let other = ToyOwner("other")
        peer.meet(other)
        var isGreetedBack = false
        for _ in 0..<6 {
            peer.wait(milliseconds: 1_000)
            _ = peer.handle(.tick)
            let hello = MeshEvent.hello(curveKey: other.curveKey, record: other.record(at: MeshPeer.epoch))
            for case .send(other.id, .hello) in peer.handle(hello) { isGreetedBack = true }
        }
        #expect(isGreetedBack && !peer.mesh.isNeighbour(other.id))
        _ = peer.handle(.message(from: other.id, .welcome(record: other.record(at: MeshPeer.epoch))))
        #expect(peer.mesh.hasChannel(to: other.id))
    }

    @Test("A peer that was paused blames nobody for what it did not hear, and chooses nothing that has ended")
    func pause() {
        var peer = MeshPeer("local")
        let (other, victim) = (ToyOwner("other"), ToyOwner("victim"))
        peer.meet(other)
        peer.meet(victim)
        _ = peer.handle(.restored([victim.announcement("m", at: peer.now.wall)]))
        for _ in 0..<3 {
            peer.wait(milliseconds: 1_000)
            _ = peer.handle(.tick)
        }
        peer.wait(milliseconds: 40_000)
        let effects = peer.handle(.tick)
        let blamed = effects.filter {
            switch $0 {
            case .changed(.gone), .changed(.neighbour), .changed(.channel), .disconnect: true
            default: false
            }
        }
        #expect(blamed.isEmpty && peer.models.isEmpty)
        _ = peer.handle(
            .gossip(from: other.id, GossipHead(counter: 9, hops: 0), frame: other.beacon(9, at: peer.now.wall)))
        for second in 0..<8 {
            peer.wait(milliseconds: 1_000)
            _ = peer.handle(.tick)
            if second == 3 { #expect(!peer.mesh.knownPeers.contains(victim.id), "who stays silent is gone soon after") }
        }
    }

    @Test("A peer that slept past its own term is still itself, and renews what it said")
    func ownSleep() {
        var peer = MeshPeer("local")
        peer.announce("m")
        peer.wait(milliseconds: 600_000)
        let effects = peer.handle(.tick)
        #expect(peer.models == ["m"] && peer.mesh.knownPeers == [peer.owner.id])
        let renewals = effects.count { if case .changed(.renewed(peer.owner.id, _, _, _)) = $0 { true } else { false } }
        #expect(renewals == 1)
    }

    @Test("A peer that greets with a record past its own term is kept while its beacon is awaited, and no longer")
    func greetingGrace() {
        var peer = MeshPeer("local")
        let other = ToyOwner("other")
        _ = peer.handle(.hello(curveKey: other.curveKey, record: other.record(at: peer.now.wall - 100_000)))
        for _ in 0..<2 {
            peer.wait(milliseconds: 1_000)
            _ = peer.handle(.tick)
            #expect(peer.mesh.knownPeers.contains(other.id))
        }
        peer.wait(milliseconds: 1_000)
        _ = peer.handle(.tick)
        #expect(!peer.mesh.knownPeers.contains(other.id))
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
            guard case .publish(_, _, let bytes) = effect else { continue }
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
