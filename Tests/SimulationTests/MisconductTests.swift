import Simulation
import Testing

@Suite("Peers that lie, and peers that are built wrongly")
struct MisconductTests {
    private static func mesh(_ steps: [String], _ rest: String = "", end: String = "4s") -> String {
        """
        peers: 16
        offers: 6
        join: {over: 1s, settle: 1s}
        timeline:
        \(steps.map { "  - \($0)" }.joined(separator: "\n"))
        \(rest)
        end: \(end)
        """
    }

    @Test("Whatever a quarter of the peers do, the others hear each other", arguments: Misbehaviour.allCases)
    func lies(_ misbehaviour: Misbehaviour) throws {
        let report = try simulate(
            Self.mesh(
                [
                    "{at: 0s, turn: {share: 25%, into: \(misbehaviour.rawValue)}}", "{at: 1s, announce: rumour}",
                ], end: "3s"))
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("rumour_reached_percent") == 100, "\(report.text)")
    }

    @Test("Forged versions are taken by peers that hold every signature to be right, and that is seen")
    func signatures() throws {
        let report = try simulate(
            Self.mesh([
                "{at: 0s, plant: {share: 30%, fault: signatures}}", "{at: 0s, turn: {count: 2, into: forge}}",
            ]))
        #expect(report.violations.contains { $0.invariant == .authorship }, "\(report.text)")
        #expect(report.replay == "modelexpress-sim run test.yaml --seed 1 --peers 16")
    }

    @Test("A peer that takes the older version for the newer never comes to agree, and that is seen")
    func versions() throws {
        let report = try simulate(
            Self.mesh(
                [
                    "{at: 0s, plant: {count: 1, fault: versions}}", "{at: 0s, announce: rumour}",
                    "{at: 1s, withdraw: rumour}",
                ], "liveness: 3s", end: "5s"))
        #expect(report.violations.contains { $0.invariant == .liveness }, "\(report.text)")
    }

    @Test("An offer that is taken back is gone from everybody's sight")
    func withdrawal() throws {
        let report = try simulate(
            Self.mesh(["{at: 0s, announce: rumour}", "{at: 1s, withdraw: rumour}"], "liveness: 3s", end: "5s"))
        #expect(report.isPassed, "\(report.text)")
    }

    @Test("A server that comes back with an old copy of its store brings back nothing that has ended")
    func outage() throws {
        let report = try simulate(
            Self.mesh(
                ["{at: 3s, outage: {for: 4s, rollback: 2s}}", "{at: 4s, depart: {share: 20%}}"], "liveness: 10s",
                end: "20s"))
        #expect(report.isPassed, "\(report.text)")
    }
}
