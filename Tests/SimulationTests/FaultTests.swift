import Simulation
import Testing

@Suite("Faults of a simulation")
struct FaultTests {
    /// A mesh large enough that nobody listens to everybody.
    private static func mesh(peers: Int = 30, _ rest: String) -> String {
        """
        peers: \(peers)
        offers: 6
        join: {over: 2s, settle: 2s}
        mesh: {direct_peers: 8}
        \(rest)
        """
    }

    @Test("An announcement reaches everybody within milliseconds, at fewer sends a peer than neighbours")
    func announcement() throws {
        let report = try simulate(
            Self.mesh(
                """
                timeline:
                  - {at: 0s, announce: rumour}
                end: 1s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("rumour_all_ms"), "\(report.text)") < 20)
        #expect(try #require(report.metric("rumour_sends_per_peer")) < 6)
    }

    @Test("A mesh that starts warm knows itself at once")
    func warmStart() throws {
        let report = try simulate(
            """
            peers: 30
            offers: 6
            join: {warm: true, settle: 2s}
            mesh: {direct_peers: 8}
            timeline:
              - {at: 0s, announce: rumour}
            end: 1s
            """)
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("join_time_ms"), "\(report.text)") < 1_000)
        #expect(try #require(report.metric("rumour_all_ms"), "\(report.text)") < 20)
    }

    @Test("What a quarter of lost gossip leaves out, anti-entropy brings")
    func loss() throws {
        let report = try simulate(
            Self.mesh(
                """
                network: {loss: {gossip: 25%}}
                timeline:
                  - {at: 0s, announce: rumour}
                end: 5s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("rumour_reached_percent") == 100, "\(report.text)")
        #expect(try #require(report.metric("gossip_lost")) > 0)
    }

    @Test("Frames that come twice are noticed and change nothing")
    func duplication() throws {
        let rest = """
            timeline:
              - {at: 0s, announce: rumour}
            end: 1s
            """
        let plain = try simulate(Self.mesh(rest))
        let doubled = try simulate(Self.mesh("network: {duplication: 100%}\n" + rest))
        #expect(doubled.isPassed, "\(doubled.text)")
        let copies = try #require(plain.metric("rumour_copies_per_peer"))
        #expect(try #require(doubled.metric("rumour_copies_per_peer")) > 1.8 * copies, "\(doubled.text)")
    }

    @Test("Both sides of a partition lose sight of each other, and agree again when it heals")
    func partition() throws {
        let report = try simulate(
            Self.mesh(
                peers: 20,
                """
                timeline:
                  - {at: 0s, partition: {share: 50%, for: 25s}}
                  - {at: 24s, watch: {for: agreement, as: parted}}
                  - {at: 25s, watch: {for: agreement, as: healed}}
                end: 40s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("parted_time_ms"), "\(report.text)") > 1_000)
        #expect(report.metric("healed_time_ms") != nil, "\(report.text)")
    }

    @Test("Survivors of a crash agree on what is left once the validity of the dead is over", arguments: [true, false])
    func crash(isNoticed: Bool) throws {
        let report = try simulate(
            Self.mesh(
                peers: 20,
                """
                timeline:
                  - {at: 0s, crash: {share: 30%, noticed: \(isNoticed)}}
                  - {at: 0s, watch: {for: agreement}}
                  - {at: 0s, watch: {for: overlay}}
                end: 20s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("agreement_time_ms"), "\(report.text)") < 15_000)
        #expect(report.metric("overlay_time_ms") != nil, "\(report.text)")
    }

    @Test("A machine that starts again is another peer, and everybody learns of it")
    func restart() throws {
        let report = try simulate(
            Self.mesh(
                peers: 16,
                """
                timeline:
                  - {at: 0s, crash: {count: 2, for: 3s}}
                  - {at: 0s, crash: {role: server, for: 3s}}
                  - {at: 16s, watch: {for: agreement}}
                end: 20s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("agreement_time_ms") != nil, "\(report.text)")
    }

    @Test("A peer that says goodbye is gone at once")
    func departure() throws {
        let report = try simulate(
            Self.mesh(
                peers: 16,
                """
                timeline:
                  - {at: 0s, depart: {count: 4}}
                  - {at: 0s, watch: {for: agreement}}
                end: 3s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("agreement_time_ms"), "\(report.text)") < 1_500)
    }

    @Test("A paused peer goes on with what has come meanwhile; what its queue can't hold is dropped and repaired")
    func pause() throws {
        let report = try simulate(
            Self.mesh(
                peers: 20,
                """
                network: {gossip_queue: 5}
                timeline:
                  - {at: 0s, pause: {count: 3, for: 4s}}
                  - {at: 1s, announce: rumour}
                  - {at: 4s, watch: {for: agreement}}
                end: 10s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("queue_drops")) > 0, "\(report.text)")
        #expect(report.metric("rumour_reached_percent") == 100, "\(report.text)")
        #expect(report.metric("agreement_time_ms") != nil, "\(report.text)")
    }

    @Test("A peer that doesn't see validity end is found, and the report says how to see it again")
    func plantedFault() throws {
        let report = try simulate(
            Self.mesh(
                peers: 12,
                """
                timeline:
                  - {at: 0s, plant: {fault: validity, count: 1}}
                  - {at: 1s, crash: {count: 6}}
                end: 30s
                """))
        #expect(!report.isPassed)
        #expect(report.violations.contains { $0.invariant == .validity }, "\(report.text)")
        #expect(report.replay == "modelexpress-sim run test.yaml --seed 1 --peers 12")
        let line = try report.json()
        #expect(line.contains(report.replay) && line.contains(Invariant.validity.rawValue))
    }
}
