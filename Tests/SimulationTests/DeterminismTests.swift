import Glibc
import Simulation
import Testing

@Suite("A simulation is its scenario and its seed", .serialized)
struct DeterminismTests {
    /// Everything that could depend on more than the seed.
    private static let scenario = """
        peers: 16
        offers: 4
        zones: 2
        join: {over: 2s, settle: 1s}
        mesh: {direct_peers: 6, degree: 5}
        network:
          latency: {zones: {inside: {uniform: [0.2ms, 1ms]}, between: {lognormal: {median: 5ms, sigma: 0.5}}}}
          loss: {gossip: 10%, control: 1%}
          duplication: 5%
        timeline:
          - {at: 0s, announce: first}
          - {at: 1s, crash: {share: 20%, for: 2s}}
          - {at: 1s, partition: {zone: 1, for: 2s}}
          - {at: 2s, pause: {count: 2, for: 1s}}
          - {at: 2s, skew: {count: 1, by: 2s}}
          - {at: 4s, depart: {count: 1}}
          - {at: 4s, announce: second}
        end: 7s
        """

    private static func line(seed: UInt64) throws -> String { try simulate(scenario, seed: seed).json() }

    @Test("The same seed gives the same report, another seed gives another one")
    func sameSeed() throws {
        let first = try Self.line(seed: 7)
        #expect(try Self.line(seed: 7) == first)
        #expect(try Self.line(seed: 8) != first)
    }

    /// Dictionaries are in another order in each process, so this finds any order that leaks into a run.
    @Test("Another process gives the same report, with and without deterministic hashing", arguments: [false, true])
    func otherProcess(hashesDeterministically: Bool) async throws {
        let expected = try Self.line(seed: 7)
        // The other process takes over this one's environment, and looks at it when it first hashes.
        if hashesDeterministically { setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1) }
        defer { unsetenv("SWIFT_DETERMINISTIC_HASHING") }
        await #expect(processExitsWith: .success) { [expected = expected as String] in
            let found = try Self.line(seed: 7)
            guard found == expected else { fatalError("\(found) differs from \(expected)") }
        }
    }
}
