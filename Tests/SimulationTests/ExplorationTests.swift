import Simulation
import Testing

@Suite("Random scenarios, shrinking and comparisons")
struct ExplorationTests {
    @Test("Every random scenario can be read, and the same seed gives the same one")
    func random() throws {
        for seed in UInt64(1)...200 {
            let text = RandomScenario.text(seed: seed)
            #expect(text == RandomScenario.text(seed: seed))
            _ = try ScenarioReader.read(text: text, path: "random.yaml")
        }
        #expect(RandomScenario.text(seed: 1) != RandomScenario.text(seed: 2))
    }

    @Test("Shrinking leaves out what a failure doesn't need, and keeps the failure")
    func shrinking() throws {
        let text = """
            peers: 16
            offers: 4
            join: {over: 1s, settle: 1s}
            timeline:
              - {at: 0s, plant: {share: 50%, fault: signatures}}
              - {at: 0s, announce: first}
              - {at: 0s, turn: {count: 2, into: forge}}
              - {at: 1s, pause: {count: 1, for: 1s}}
              - {at: 2s, announce: second}
            end: 3s
            """
        var shrinking = Shrinking(text: text, path: "test.yaml", seed: 1)
        let invariant = try shrinking.run()
        #expect(invariant == Invariant.authorship.rawValue)
        #expect(shrinking.text.contains("turn:") && !shrinking.text.contains("announce:"), "\(shrinking.text)")
        #expect(!shrinking.text.contains("peers: 16"), "\(shrinking.text)")
        let report = try simulate(shrinking.text)
        #expect(report.violations.first?.invariant == .authorship, "\(report.text)")
    }

    @Test("A scenario without a failure is not made smaller")
    func nothingToShrink() throws {
        var shrinking = Shrinking(text: "peers: 3\nend: 1s", path: "test.yaml", seed: 1)
        #expect(try shrinking.run() == nil)
    }

    private static func line(_ name: String, _ value: Double, _ bound: String) -> String {
        "{\"scenario\":\"\(name)\",\"metrics\":{\"time_ms\":\(value)},\"expected\":{\"time_ms\":{\"\(bound)\":9}}}"
    }

    @Test("Runs are compared by their means, and only what moves towards its bound is worse")
    func comparison() throws {
        let base = try RunLines(
            [Self.line("a", 1, "at_most"), Self.line("a", 3, "at_most"), Self.line("b", 5, "at_least")]
                .joined(separator: "\n"))
        let current = try RunLines(
            [Self.line("a", 3, "at_most"), Self.line("b", 6, "at_least")].joined(separator: "\n"))
        let comparison = Comparison(base: base, current: current, tolerance: 10)
        #expect(comparison.worse == 1 && comparison.better == 1)
        #expect(comparison.lines.first == "a time_ms: 2.000 -> 3.000 (+50.0%)  WORSE")
        #expect(Comparison(base: base, current: base, tolerance: 10).lines.isEmpty)
    }
}
