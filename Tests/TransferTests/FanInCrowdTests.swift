import Records
import Testing
import Transfer

private let second = Duration64.second
private let millisecond = Duration64.millisecond

/// What a pull does among many others: sources that have nothing yet, that are busy, and a zone that shares a link.
@Suite("A pull in a crowd")
struct FanInCrowdTests {
    private func advance(_ world: inout FanInWorld, to time: UInt64) {
        while world.step(limit: time) {}
    }

    private func probes(of index: Int, in world: FanInWorld) -> Int {
        world.effects.count {
            if case .probe(let peer, _) = $0 { peer == ScriptedSource.peer(index) } else { false }
        }
    }

    @Test("A relay that has nothing yet is taken by a pull that has nothing, and heard from as its chunks come")
    func emptyRelay() throws {
        let later = (0..<20).map { (at: 200 * millisecond + UInt64($0) * 5 * millisecond, chunk: $0) }
        var world = try FanInWorld(chunks: 20, sources: [ScriptedSource(have: [], later: later)])
        world.announce([0])
        advance(&world, to: 100 * millisecond)
        #expect(world.openLeases.count == 1)
        world.run()
        #expect(world.isComplete && world.now < 550 * millisecond)
        #expect(probes(of: 0, in: world) == 1)
    }

    @Test("Relays that never get anything don't keep a pull for ever")
    func emptyRing() throws {
        var world = try FanInWorld(chunks: 20, sources: (0..<6).map { _ in ScriptedSource(have: []) })
        world.run()
        guard case .failed(.stalled(20, _, _))? = world.outcome else {
            Issue.record("\(String(describing: world.outcome))")
            return
        }
        #expect(world.now < FanInConfiguration().stall + 10 * millisecond)
    }

    @Test("A pull whose sources are alive and busy waits for longer than for silent ones, and not for ever")
    func queue() throws {
        var world = try FanInWorld(chunks: 5, sources: [ScriptedSource(isBusyUntil: 100 * second)])
        world.run(limit: 300 * second)
        #expect(world.isComplete && world.now > 100 * second && world.now < 101 * second)
        world = try FanInWorld(chunks: 5, sources: [ScriptedSource(isBusyUntil: 900 * second)])
        world.run(limit: 900 * second)
        let bound = FanInConfiguration().queueStall
        guard case .failed(.stalled(5, bound, let problem))? = world.outcome else {
            Issue.record("\(String(describing: world.outcome))")
            return
        }
        #expect(world.now == bound && problem.hasSuffix(RefusalCode.busy.sentence))
    }

    @Test("A source that answers slowly is given more time with each question")
    func slowAnswers() throws {
        var world = try FanInWorld(chunks: 5, sources: [ScriptedSource(latency: 1_300 * millisecond)])
        world.run()
        #expect(world.isComplete && world.now < 15 * second)
        world = try FanInWorld(chunks: 5, sources: [ScriptedSource(answersProbes: false)])
        world.run()
        #expect(!world.isComplete && world.now == FanInConfiguration().stall && probes(of: 0, in: world) < 10)
    }

    // MARK: Zones

    private static let members = [PeerID](arrayLiteral: ScriptedSource.peer(100), ScriptedSource.peer(101))

    private func reader(_ number: Int, chunks: Int = 100) throws -> FanInWorld {
        var world = try FanInWorld(
            chunks: chunks, sources: [ScriptedSource()], local: Self.members[number])
        world.deliver(.zone(Self.members))
        world.announce([0])
        return world
    }

    @Test("Two of a zone read different chunks from far, and those of the other when it does not bring them")
    func zone() throws {
        var (first, second) = (try reader(0), try reader(1))
        advance(&first, to: 350 * millisecond)
        advance(&second, to: 350 * millisecond)
        let ours = Set(first.readsOf[0] ?? [])
        #expect(ours.count > 10 && ours.isDisjoint(with: second.readsOf[0] ?? []))
        first.run()
        #expect(first.isComplete && Set(first.readsOf[0] ?? []).count == 100)
    }

    @Test("Alone in its zone a peer reads everything at once, also when the others have left")
    func aloneInZone() throws {
        var world = try FanInWorld(chunks: 100, sources: [ScriptedSource()], local: Self.members[0])
        world.deliver(.zone([]))
        world.run()
        let alone = world.now
        #expect(world.isComplete && alone < 1_100 * millisecond)
        world = try reader(0)
        advance(&world, to: 100 * millisecond)
        world.deliver(.zone([]))
        world.run()
        #expect(world.isComplete && world.now < alone + 50 * millisecond)
    }

    @Test("While near ones bring more than the link would, nobody reads the others' chunks over it")
    func patience() throws {
        let near = (0..<100).map { (at: UInt64($0) * 20 * millisecond, chunk: $0) }
        var world = try FanInWorld(
            chunks: 100,
            sources: [
                ScriptedSource(readTime: 100 * millisecond),
                ScriptedSource(have: [], later: near, readTime: 5 * millisecond, closeness: .sameZone),
            ], local: Self.members[0])
        world.deliver(.zone(Self.members))
        world.run()
        #expect(world.isComplete && world.now < 3 * Duration64.second)
        #expect((world.readsOf[0]?.count ?? 0) < 60)
    }
}
