import Simulation
import Testing

@Suite("Lies about load and coverage")
struct LieTests {
    private static func report(_ liars: String, sources: Int = 1) throws -> RunReport {
        let text = """
            distribution:
              model: 14GB
              targets: 8
              sources: \(sources)
              chunks: 64
              liars: \(liars)
            """
        guard case .distribution(let distribution) = try ScenarioReader.file(text: text, path: "test.yaml") else {
            throw CancellationError()
        }
        var run = try DistributionRun(distribution, seed: 1)
        run.run()
        return run.report()
    }

    @Test(
        "Every target gets everything, and nothing wrong, beside more liars than sources",
        arguments: ["busy", "absent", "silent", "wrong"])
    func liars(_ kind: String) throws {
        let honest = try Self.report("{}")
        let report = try Self.report("{\(kind): 4}")
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("ready") == 8, "\(report.text)")
        let alone = try #require(honest.metric("last_over_alone"))
        #expect(try #require(report.metric("last_over_alone"), "\(report.text)") < alone + 10, "\(report.text)")
    }

    @Test("Where only liars offer it, nobody gets it, and that is seen")
    func onlyLiars() throws {
        let text = """
            distribution: {model: 14GB, targets: 2, sources: 0, loaders: 1, disk: 1MB, chunks: 16, liars: {absent: 3}}
            """
        guard case .distribution(var distribution) = try ScenarioReader.file(text: text, path: "test.yaml") else {
            throw CancellationError()
        }
        distribution.limit = 5_000_000_000
        var run = try DistributionRun(distribution, seed: 1)
        run.run()
        #expect(run.report().violations.contains { $0.invariant == .completion }, "\(run.report().text)")
    }
}
