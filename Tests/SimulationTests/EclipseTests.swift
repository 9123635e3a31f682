import Simulation
import Testing

@Suite("Newcomers whose contacts lie")
struct EclipseTests {
    private static func mesh(lying: String) -> String {
        """
        peers: 30
        offers: 15
        join: {over: 1s, settle: 1s}
        mesh: {direct_peers: 8}
        timeline:
          - {at: 0s, turn: {share: 40%, into: eclipse}}
          - {at: 1s, eclipse: {count: 3, contacts: 5, lying: \(lying)}}
          - {at: 2s, watch: {for: agreement, as: found}}
        liveness: 20s
        end: 25s
        """
    }

    @Test("One honest contact among five is enough to find the mesh")
    func oneHonestContact() throws {
        let report = try simulate(Self.mesh(lying: "80%"))
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("found_time_ms") != nil, "\(report.text)")
    }

    @Test("Who knows nobody but liars sees a mesh of liars, and that is seen")
    func noHonestContact() throws {
        let report = try simulate(Self.mesh(lying: "100%"))
        #expect(report.violations.contains { $0.invariant == .liveness }, "\(report.text)")
    }
}
