import Simulation
import Testing

@Suite("Certificates that end, and keys that are revoked")
struct TrustTests {
    private static func mesh(_ rest: String) -> String {
        """
        peers: 16
        offers: 6
        join: {over: 1s, settle: 1s}
        mesh: {direct_peers: 8}
        \(rest)
        """
    }

    @Test("Certificates that are renewed lose nobody")
    func renewal() throws {
        let report = try simulate(
            Self.mesh(
                """
                certificates: 70s
                timeline:
                  - {at: 140s, announce: rumour}
                liveness: 1s
                end: 150s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("wrongly_gone") == 0, "\(report.text)")
        #expect(report.metric("rumour_reached_percent") == 100, "\(report.text)")
    }

    @Test("Whose token is over is gone when what it said has ended, and comes back with another token")
    func end() throws {
        let report = try simulate(
            Self.mesh(
                """
                timeline:
                  - {at: 0s, expire: {count: 4, for: 5s}}
                  - {at: 5s, watch: {for: agreement, as: ended}}
                  - {at: 40s, rotate: {share: 100%}}
                  - {at: 40s, watch: {for: agreement, as: back}}
                liveness: 10s
                end: 52s
                """))
        #expect(report.isPassed, "\(report.text)")
        let ended = try #require(report.metric("ended_time_ms"), "\(report.text)")
        #expect(ended > 1_000 && ended < 15_000, "\(report.text)")
        #expect(report.metric("back_time_ms") != nil, "\(report.text)")
    }

    @Test("A revoked key is believed by nobody a second later, and no token lets it in again")
    func revocation() throws {
        let report = try simulate(
            Self.mesh(
                """
                timeline:
                  - {at: 0s, revoke: {count: 3}}
                  - {at: 0s, watch: {for: agreement, as: revoked}}
                  - {at: 3s, rotate: {share: 100%}}
                liveness: 5s
                end: 20s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("revoked_time_ms"), "\(report.text)") < 1_000)
        #expect(report.metric("wrongly_gone") == 0, "\(report.text)")
    }

    @Test("Who has no other token is outside once the old one is revoked; who has one is never lost")
    func rotation() throws {
        let report = try simulate(
            Self.mesh(
                """
                timeline:
                  - {at: 0s, rotate: {share: 75%, for: 3s}}
                  - {at: 3s, watch: {for: agreement, as: rotated}}
                liveness: 5s
                end: 10s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("rotated_time_ms"), "\(report.text)") < 1_500)
        #expect(report.metric("wrongly_gone") == 0, "\(report.text)")
    }

    @Test("A peer that doesn't see time go on believes ended certificates, and that is seen")
    func stoppedClock() throws {
        let report = try simulate(
            Self.mesh(
                """
                timeline:
                  - {at: 0s, plant: {fault: validity, count: 1}}
                  - {at: 0s, expire: {count: 4, for: 2s}}
                end: 40s
                """))
        #expect(report.violations.contains { $0.invariant == .certificates }, "\(report.text)")
    }
}
