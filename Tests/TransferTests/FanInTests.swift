import Digest
import Records
import Testing
import Transfer

private let second = Duration64.second
private let millisecond = Duration64.millisecond

@Suite("A pull and its sources")
struct FanInTests {
    @Test("One source gives everything, each chunk once")
    func oneSource() throws {
        var world = try FanInWorld(chunks: 50, sources: [ScriptedSource()])
        world.run()
        #expect(world.isComplete)
        #expect(world.readsOf[0]?.sorted() == Array(0..<50))
        #expect(world.tally(0)?.chunks == 50 && world.tally(0)?.bytes == 50 * 4096)
        #expect(world.effects.count { if case .chunkVerified = $0 { true } else { false } } == 50)
    }

    @Test("Several sources share the chunks, the fast one more of them")
    func severalSources() throws {
        let slow = ScriptedSource(readTime: 40 * millisecond)
        var world = try FanInWorld(chunks: 200, sources: [ScriptedSource(), slow, ScriptedSource()])
        world.run()
        #expect(world.isComplete)
        let given = (0..<3).map { world.tally($0)?.chunks ?? 0 }
        #expect(given.reduce(0, +) == 200)
        #expect(given.allSatisfy { $0 > 0 } && given[1] < given[0] && given[1] < given[2])
    }

    @Test("No more sources are engaged than a pull keeps")
    func activeSources() throws {
        let sources = (0..<10).map { _ in ScriptedSource(readTime: 50 * millisecond) }
        var world = try FanInWorld(chunks: 100, sources: sources)
        world.run()
        #expect(world.isComplete && world.readsOf.count == FanInConfiguration().activeSources)
    }

    @Test("When a source dies its chunks are read elsewhere")
    func dyingSource() throws {
        let dying = ScriptedSource(diesAt: 50 * millisecond)
        var world = try FanInWorld(chunks: 60, sources: [dying, ScriptedSource()])
        world.run()
        #expect(world.isComplete)
        #expect(world.now < 10 * second)
    }

    @Test("A source that answers no probe is passed over after a second")
    func silentSource() throws {
        var world = try FanInWorld(chunks: 20, sources: [ScriptedSource(answersProbes: false), ScriptedSource()])
        world.run()
        #expect(world.isComplete && world.readsOf[0] == nil)
        #expect(world.now < 3 * second)
        #expect(world.tally(0) == nil)
    }

    @Test("A source that answers no lease request is left for another")
    func noLease() throws {
        let mute = ScriptedSource(answersLeases: false, freeSlots: 9)
        var world = try FanInWorld(chunks: 20, sources: [mute, ScriptedSource()])
        world.run()
        #expect(world.isComplete && world.readsOf[0] == nil && world.now < 5 * second)
    }

    @Test("A source that never delivers is late, others bring its chunks, and it loses its lane")
    func neverDelivers() throws {
        var world = try FanInWorld(chunks: 20, sources: [ScriptedSource(delivers: false), ScriptedSource()])
        world.run()
        #expect(world.isComplete)
        #expect(world.tally(0)?.late == 1 && world.tally(0)?.bytes == 0 && world.placed > 0)
        #expect(world.now < 3 * second)
    }

    @Test("A source with wrong bytes is shunned after its second one")
    func wrongBytes() throws {
        let liar = ScriptedSource(failure: .wrongBytes("the checksum differs"))
        var world = try FanInWorld(chunks: 100, sources: [liar, ScriptedSource()])
        world.run()
        #expect(world.isComplete)
        let reads = try #require(world.readsOf[0])
        #expect(reads.count <= Int(liar.window) + FanInConfiguration().wrongChunks)
        #expect(world.tally(0)?.bytes == 0 && world.tally(0)?.note == "the checksum differs")
    }

    @Test("A busy source is asked again until it has a slot")
    func busySource() throws {
        var world = try FanInWorld(chunks: 5, sources: [ScriptedSource(isBusyUntil: 3 * second)])
        world.run()
        #expect(world.isComplete && world.now > 3 * second && world.now < 4 * second)
        world = try FanInWorld(chunks: 5, sources: [ScriptedSource(refusal: .busy)])
        while world.now < 5 * second {
            if world.effects.isEmpty { world.announce([0]) }
            guard world.step(limit: 6 * second) else { break }
        }
        let asked = world.effects.count { if case .requestLease = $0 { true } else { false } }
        #expect(asked > 8 && asked < 40)
    }

    @Test("A partial source is read as its chunks come, by deltas and by looking again")
    func partialSource() throws {
        let later = (10..<30).map { (at: UInt64($0) * 50 * millisecond, chunk: $0) }
        var world = try FanInWorld(chunks: 30, sources: [ScriptedSource(have: Array(0..<10), later: later)])
        world.run()
        #expect(world.isComplete)
        #expect(world.now >= 29 * 50 * millisecond && world.now < 3 * second)
    }

    @Test("Two partial sources that complement each other are enough")
    func complements() throws {
        let (even, odd) = (stride(from: 0, to: 40, by: 2), stride(from: 1, to: 40, by: 2))
        var world = try FanInWorld(
            chunks: 40, sources: [ScriptedSource(have: Array(even)), ScriptedSource(have: Array(odd))])
        world.run()
        #expect(world.isComplete && world.tally(0)?.chunks == 20 && world.tally(1)?.chunks == 20)
    }

    @Test("Places taken by sources that have nothing more don't keep a complete one out")
    func starvedSources() throws {
        let partial = (0..<4).map { ScriptedSource(have: [$0]) }
        var world = try FanInWorld(chunks: 10, sources: partial + [ScriptedSource(isBusyUntil: second)])
        world.run()
        #expect(world.readsOf.count == 5 && world.isComplete && world.now < 3 * second)
    }

    @Test("Without any source the pull stalls and says what is missing")
    func noSource() throws {
        var world = try FanInWorld(chunks: 7, sources: [ScriptedSource(diesAt: 5 * millisecond)])
        world.run()
        guard case .failed(.stalled(let missing, let after, _))? = world.outcome else {
            Issue.record("\(String(describing: world.outcome))")
            return
        }
        #expect(missing == 7 && after == FanInConfiguration().stall)
        #expect(world.now == FanInConfiguration().stall)
    }

    @Test("When every source gave wrong bytes the pull ends after three seconds, unless another one comes")
    func hopeless() throws {
        let liars = (0..<2).map { _ in ScriptedSource(failure: .wrongBytes("differs")) }
        var world = try FanInWorld(chunks: 30, sources: liars + [ScriptedSource()])
        world.run(announcing: [0, 1])
        guard case .failed(.stalled(30, FanInConfiguration().hopelessStall, let problem))? = world.outcome else {
            Issue.record("\(String(describing: world.outcome))")
            return
        }
        #expect(problem.hasSuffix("differs") && world.now < 5 * second)
        world = try FanInWorld(chunks: 30, sources: liars + [ScriptedSource()])
        world.announce([0, 1])
        while world.now < 2 * second, world.step(limit: 2 * second) {}
        world.run(announcing: [0, 1, 2])
        #expect(world.isComplete)
    }

    @Test("A target that can't keep bytes ends the pull at once")
    func sinkFailure() throws {
        var world = try FanInWorld(
            chunks: 30, sources: [ScriptedSource(failure: .sink("no space left")), ScriptedSource()])
        world.run()
        #expect(world.outcome == .failed(.sink("no space left")))
        #expect(world.now < second)
    }

    @Test("Chunks that are there already are not read again")
    func resume() throws {
        let have = Array(stride(from: 0, to: 30, by: 3))
        var world = try FanInWorld(chunks: 30, sources: [ScriptedSource()], have: have)
        world.run()
        #expect(world.isComplete)
        #expect(world.readsOf[0]?.sorted() == (0..<30).filter { $0 % 3 != 0 })
    }

    @Test("Nothing to read completes at once, and so does everything there", arguments: [0, 6])
    func nothingMissing(chunks: Int) throws {
        var world = try FanInWorld(chunks: chunks, sources: [], have: Array(0..<chunks))
        world.announce([])
        #expect(world.effects == [.complete])
    }

    @Test("When a lane doesn't open the source's next lane is tried at once")
    func otherLane() throws {
        let source = ScriptedSource(lanes: [.sharedMemory, .verbs, .tcp], failingLanes: [.sharedMemory, .verbs])
        var world = try FanInWorld(chunks: 5, sources: [source])
        world.run()
        #expect(world.isComplete && world.now < second)
        #expect(world.tally(0)?.lane == .tcp && world.tally(0)?.failures == 2)
    }

    @Test("A source of which no lane opens is tried again after a pause, not in a loop")
    func noLaneOpens() throws {
        let source = ScriptedSource(lanes: [.sharedMemory, .tcp], failingLanes: [.sharedMemory, .tcp])
        var world = try FanInWorld(chunks: 5, sources: [source])
        world.run()
        #expect(!world.isComplete)
        let opened = world.effects.count { if case .openLane = $0 { true } else { false } }
        #expect(opened > 10 && opened < 40)
    }

    @Test("A lease is renewed while it is used, and left at three quarters of it when nobody answers")
    func renewals() throws {
        let slow = ScriptedSource(readTime: 400 * millisecond, leaseMilliseconds: 1_000)
        var world = try FanInWorld(chunks: 20, sources: [slow])
        world.run()
        #expect(world.isComplete)
        #expect(world.effects.count { if case .renew = $0 { true } else { false } } >= 4)
        #expect(world.effects.count { if case .openLane = $0 { true } else { false } } == 1)
        let deaf = ScriptedSource(readTime: 400 * millisecond, answersRenewals: false, leaseMilliseconds: 1_000)
        world = try FanInWorld(chunks: 20, sources: [deaf])
        world.run()
        #expect(world.effects.count { if case .openLane = $0 { true } else { false } } > 1)
        #expect(world.tally(0)?.note == "its lease was not renewed in time")
    }

    @Test("A grant that comes too late, or on another's lease, is given back")
    func strangeGrants() throws {
        var world = try FanInWorld(chunks: 5, sources: [ScriptedSource()])
        let grant = LeaseGrant(
            lease: LeaseID(.zero), manifest: ManifestID(.zero), generation: 1, duration: 1, window: 1,
            sessionKey: .zero,
            lanes: [], haveMap: ChunkSet(chunkCount: 5))
        world.deliver(.granted(ScriptedSource.peer(0), request: 77, grant))
        #expect(world.effects == [.release(ScriptedSource.peer(0), LeaseID(.zero))])
    }

    @Test("A have-map of another size than the manifest's is not believed")
    func wrongHaveMap() throws {
        var world = try FanInWorld(chunks: 5, sources: [ScriptedSource(answersProbes: false)])
        world.announce([0])
        world.deliver(
            .probeAnswered(
                ScriptedSource.peer(0), request: 1, freeSlots: 2, reserved: true,
                haveMap: ChunkSet(chunkCount: 6, full: true)))
        #expect(!world.effects.contains { if case .requestLease = $0 { true } else { false } })
    }

    @Test("A pull that is stopped closes its lanes, gives its leases back and is silent from then on")
    func stop() throws {
        var world = try FanInWorld(chunks: 50, sources: [ScriptedSource(), ScriptedSource()])
        world.announce([0, 1])
        while world.openLeases.count < 2 { guard world.step(limit: second) else { break } }
        var pull = world.pull
        let effects = pull.stop()
        #expect(effects.count { if case .closeLane = $0 { true } else { false } } >= 1)
        #expect(pull.stop().isEmpty)
        #expect(pull.handle(.tick, now: Moment(monotonic: 90 * second, wall: 0)).isEmpty)
        #expect(pull.nextDeadline == nil)
    }
}
