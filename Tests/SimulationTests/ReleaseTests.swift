import Simulation
import Testing

@Suite("Two releases in one mesh")
struct ReleaseTests {
    @Test("What a newer release says beside the rest changes nothing for the others, and nobody is blocked for it")
    func mixed() throws {
        let report = try simulate(
            """
            peers: 24
            offers: 12
            join: {over: 1s, settle: 1s}
            mesh: {direct_peers: 8}
            timeline:
              - {at: 0s, upgrade: {share: 50%}}
              - {at: 5s, announce: rumour}
            liveness: 5s
            end: 10s
            """)
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("rumour_reached_percent") == 100, "\(report.text)")
        #expect(report.metric("wrongly_gone") == 0, "\(report.text)")
    }
}
