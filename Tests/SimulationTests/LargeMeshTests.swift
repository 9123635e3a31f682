import Simulation
import Testing

@Suite("Large meshes")
struct LargeMeshTests {
    private static func scenario(above: Int) -> String {
        """
        peers: 60
        offers: 3
        changes_only_above: \(above)
        join: {settle: 3s}
        timeline:
          - {at: 0s, crash: {share: 50%}}
          - {at: 0s, watch: {for: overlay, as: together}}
          - {at: 5s, announce: rumour}
        end: 8s
        """
    }

    @Test("Of changes only: all begin knowing each other, and what is said reaches all who are left, without beacons")
    func changesOnly() throws {
        let report = try simulate(Self.scenario(above: 40))
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("join_time_ms") == 50 && report.metric("records_held_most") ?? 0 >= 64)
        #expect(report.metric("rumour_reached_percent") == 100 && report.metric("together_time_ms") != nil)
        // One announcement, a few times at each of half of the peers, in eight seconds.
        #expect(report.metric("gossip_messages_per_peer_second") ?? .infinity < 2, "\(report.text)")
        #expect(try simulate(Self.scenario(above: 40)).json() == report.json())
    }

    @Test("With fewer peers than that everything is simulated")
    func everything() throws {
        let report = try simulate(Self.scenario(above: 60))
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("gossip_messages_per_peer_second") ?? 0 > 5, "\(report.text)")
    }
}
