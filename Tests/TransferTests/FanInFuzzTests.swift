import Digest
import Records
import Testing
import Transfer

private let millisecond = Duration64.millisecond

@Suite("A pull among random sources and random trouble")
struct FanInFuzzTests {
    private func source(_ generator: inout SeededGenerator, chunks: Int) -> ScriptedSource {
        var source = ScriptedSource()
        source.lanes = [[.tcp], [.sharedMemory, .tcp], [.verbs, .tcp], []].randomElement(using: &generator) ?? []
        source.readTime = UInt64.random(in: 1...200, using: &generator) * millisecond
        source.latency = UInt64.random(in: 0...20, using: &generator) * millisecond
        source.window = UInt16.random(in: 0...6, using: &generator)
        source.leaseMilliseconds = [0, 100, 1_000, 10_000].randomElement(using: &generator) ?? 0
        source.freeSlots = Int.random(in: 0...4, using: &generator)
        if chance(2, &generator) {
            source.have = (0..<chunks).filter { _ in chance(2, &generator) }
            source.later = (0..<chunks / 4).map { chunk in
                (at: UInt64.random(in: 0...5_000, using: &generator) * millisecond, chunk: chunk)
            }
        }
        source.answersProbes = !chance(8, &generator)
        source.answersLeases = !chance(8, &generator)
        source.answersRenewals = !chance(4, &generator)
        source.delivers = !chance(6, &generator)
        if chance(6, &generator) { source.failingLanes = [.sharedMemory, .verbs] }
        if chance(6, &generator) { source.refusal = RefusalCode.allCases.randomElement(using: &generator) }
        if chance(5, &generator) {
            source.failure = [.wrongBytes("differs"), .lost("gone"), .notAvailable].randomElement(using: &generator)
        }
        source.tellsArrivals = chance(2, &generator)
        source.closeness = [.sameHost, .sameZone, .far].randomElement(using: &generator) ?? .far
        if chance(4, &generator) {
            let start = UInt64.random(in: 1...3_000, using: &generator) * millisecond
            source.frozen = start..<(start + UInt64.random(in: 1...5_000, using: &generator) * millisecond)
        }
        if chance(4, &generator) { source.diesAt = UInt64.random(in: 1...3_000, using: &generator) * millisecond }
        return source
    }

    private func chance(_ outOf: Int, _ generator: inout SeededGenerator) -> Bool {
        Int.random(in: 0..<outOf, using: &generator) == 0
    }

    /// Anything that a source, a lane or the mesh may say at any time, meant for this pull or not.
    private func trouble(_ world: FanInWorld, _ generator: inout SeededGenerator) -> FanInEvent {
        // The first source stays, so that one full copy is within reach.
        let peer = ScriptedSource.peer(Int.random(in: 1...world.sources.count, using: &generator))
        let lease = world.openLeases.randomElement(using: &generator) ?? LeaseID(.zero)
        let chunk = Int.random(in: 0...world.layout.chunkCount, using: &generator)
        let request = UInt64.random(in: 0...20, using: &generator)
        switch Int.random(in: 0..<13, using: &generator) {
        case 0: return .laneClosed(lease)
        case 1: return .laneFailed(lease, "broken")
        case 2: return .leaseEnded(lease, .draining)
        case 3: return .peerGone(peer)
        case 4: return .renewed(lease, durationMilliseconds: UInt32.random(in: 0...20_000, using: &generator))
        case 5: return .refused(peer, request: request, .busy, retryAfterMilliseconds: .max)
        case 6: return .haveDelta(lease, [UInt32(chunk), .max])
        case 7: return .failed(LeaseID(.zero), chunk: chunk, .lost("stray"))
        case 8: return .verified(LeaseID(.zero), chunk: chunk, bytes: 1)
        case 9: return .arrived(lease, bytes: Int.random(in: -10...100_000, using: &generator))
        case 10: return .bounced(LeaseID(.zero), chunk: chunk, bytes: 1)
        case 11: return .placed(LeaseID(.zero), chunk: chunk)
        default: return .tick
        }
    }

    @Test(
        "It completes while one whole source answers, and no chunk ever has two writers", arguments: 0..<10)
    func random(block: UInt64) throws {
        for seed in block * 100..<block * 100 + 100 { try random(seed: seed) }
    }

    private func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let chunks = Int.random(in: 1...60, using: &generator)
        let others = (0..<Int.random(in: 0...8, using: &generator)).map { _ in source(&generator, chunks: chunks) }
        var world = try FanInWorld(chunks: chunks, sources: [ScriptedSource()] + others, seed: seed)
        world.announce(Array(world.sources.indices))
        for _ in 0..<Int.random(in: 0...300, using: &generator) where !world.isOver {
            if chance(6, &generator) {
                world.deliver(trouble(world, &generator))
            } else if chance(20, &generator) {
                world.announce(world.sources.indices.filter { $0 == 0 || chance(2, &generator) })
            } else if !world.step(limit: 20 * Duration64.second) {
                break
            }
        }
        // Trouble is over: the whole source is announced and answers.
        if !world.isOver { world.run() }
        let isComplete = world.isComplete
        #expect(isComplete, "seed \(seed) ended with \(String(describing: world.outcome)) at \(world.now)")
    }

    @Test("The same seed gives the same effects", arguments: [3, 14, 159])
    func reproducible(seed: UInt64) throws {
        let traces = try (0..<2).map { _ in
            var generator = SeededGenerator(seed: seed)
            let sources = (0..<6).map { _ in source(&generator, chunks: 40) }
            var world = try FanInWorld(chunks: 40, sources: sources, seed: seed)
            world.run()
            return world.effects
        }
        #expect(traces[0] == traces[1])
    }
}
