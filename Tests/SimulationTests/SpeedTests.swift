import Simulation
import Testing

@Suite("Links and processors that are slower than others")
struct SpeedTests {
    private static func mesh(_ rest: String) -> String {
        """
        peers: 24
        offers: 12
        join: {over: 1s, settle: 1s}
        mesh: {direct_peers: 8}
        network: {gossip_queue: 3}
        \(rest)
        """
    }

    @Test("What the queue of a thin link drops is repaired, and all agree")
    func thinLinks() throws {
        let report = try simulate(
            Self.mesh(
                """
                timeline:
                  - {at: 0s, thin: {share: 30%, to: 0.1Mbit}}
                  - {at: 2s, announce: rumour}
                liveness: 20s
                end: 25s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("queue_drops")) > 0, "\(report.text)")
        #expect(report.metric("rumour_reached_percent") == 100, "\(report.text)")
    }

    @Test("A slow processor is slow, and is left out of nothing")
    func slowProcessors() throws {
        let steps = """
            timeline:
              - {at: 0s, slow: {share: 30%, by: 100}}
              - {at: 2s, announce: rumour}
            liveness: 10s
            end: 15s
            """
        let report = try simulate(Self.mesh(steps))
        let quick = try simulate(Self.mesh(steps.replacing("by: 100", with: "by: 1")))
        #expect(report.isPassed && quick.isPassed, "\(report.text)")
        #expect(report.metric("rumour_reached_percent") == 100, "\(report.text)")
        let busiest = try #require(quick.metric("busiest_peer_percent"))
        #expect(try #require(report.metric("busiest_peer_percent")) > 10 * busiest, "\(report.text)")
    }

    @Test("After its time a link or a processor is as fast as the others")
    func recovery() throws {
        let report = try simulate(
            Self.mesh(
                """
                timeline:
                  - {at: 0s, thin: {share: 50%, to: 0.1Mbit, for: 3s}}
                  - {at: 0s, slow: {share: 50%, by: 100, for: 3s}}
                  - {at: 15s, announce: rumour}
                liveness: 10s
                end: 17s
                """))
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("rumour_all_ms"), "\(report.text)") < 50)
    }
}
