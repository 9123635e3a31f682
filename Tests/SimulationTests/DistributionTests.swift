import Records
import Simulation
import Testing

@Suite("Distribution of weights")
struct DistributionTests {
    private static func distribute(_ rest: String, seed: UInt64 = 1) throws -> RunReport {
        let text = """
            distribution:
              model: 140GB
              nic: 400Gbit
              chunks: 64
            \(rest)
            """
        return try ScenarioReader.file(text: text, path: "folder/d.yaml").run(seed: seed)
    }

    @Test("A crowd is done long before each would be served in turn, and the source sends little more than one copy")
    func crowd() throws {
        let report = try Self.distribute("  targets: 8")
        #expect(report.isPassed, "\(report.text)")
        #expect(report.scenario == "d")
        #expect(try #require(report.metric("last_over_alone")) < 2, "\(report.text)")
        #expect(try #require(report.metric("source_copies_mean")) < 2, "\(report.text)")
        #expect(report.metric("ready") == 8)
        let series = ReportSeries.csv(report).split(separator: "\n")
        #expect(series.first == "series,unit,time,count,share" && series.last?.hasSuffix(",1.000000") == true)
        #expect(series.count == 1 + report.curves.map(\.times.count).reduce(0, +))
        let picture = ReportPicture.svg(report)
        #expect(picture.hasPrefix("<svg") && picture.contains("d, seed 1: passed") && picture.contains("seconds"))
    }

    @Test("The same seed gives the same report, another seed gives another one")
    func sameSeed() throws {
        let text = "  targets: 6\n  start: 1s"
        let line = try Self.distribute(text, seed: 3).json()
        #expect(try Self.distribute(text, seed: 3).json() == line)
        #expect(try Self.distribute(text, seed: 4).json() != line)
    }

    @Test("One alone takes what its NIC takes")
    func alone() throws {
        let report = try Self.distribute("  targets: 1")
        #expect(try #require(report.metric("last_ready_s")) < 1.05 * 140 / 50, "\(report.text)")
    }

    @Test("Who dies is not waited for, and the others complete")
    func faults() throws {
        let report = try Self.distribute("  targets: 10\n  sources: 2\n  faults: [{kill: {of: targets, share: 20%}}]")
        #expect(report.isPassed, "\(report.text)")
        #expect(report.metric("died") == 2 && report.metric("ready") == 8, "\(report.text)")
    }

    @Test("A rolling update keeps to its width, and the old ones end")
    func rolling() throws {
        let report = try Self.distribute("  targets: 8\n  sources: 8\n  rolling: 2")
        #expect(report.isPassed, "\(report.text)")
        #expect(try #require(report.metric("last_over_alone")) > 4, "\(report.text)")
        #expect(report.metric("ready") == 8)
    }

    @Test("Two that load from disk have the others ready little later than themselves")
    func coldStart() throws {
        let report = try Self.distribute("  targets: 6\n  sources: 0\n  loaders: 2\n  disk: 10GB")
        #expect(try #require(report.metric("alone_s")) == 14, "\(report.text)")
        #expect(try #require(report.metric("last_over_alone")) < 1.2, "\(report.text)")
    }

    @Test("Every fault that is built in is caught by an invariant", arguments: SwarmMutant.allCases)
    func mutants(_ mutant: SwarmMutant) throws {
        let text = """
              sources: 4
              targets: 16
              faults:
                - corrupt: {of: sources, share: 50%}
                - freeze: {of: sources, share: 50%, within: 50%}
              plant: \(mutant.rawValue)
            """
        let caught = try (1...100).contains { try Self.distribute(text, seed: $0).violationCount > 0 }
        #expect(caught)
    }

    @Test("Without such a fault no invariant is broken")
    func noMutant() throws {
        let text = """
              sources: 4
              targets: 16
              faults:
                - corrupt: {of: sources, share: 50%}
                - freeze: {of: sources, share: 50%, within: 50%}
            """
        for seed in 1...5 {
            let report = try Self.distribute(text, seed: UInt64(seed))
            #expect(report.violationCount == 0, "\(report.text)")
        }
    }

    @Test(
        "What can't be used is named with its place and what is allowed",
        arguments: [
            ("  targets: 2\n  disk: fast", "folder/d.yaml:6: distribution.disk is \"fast\"; expected a speed"),
            ("  targets: 2\n  sources: 0", "expected at least one source or loader"),
            ("  targets: 2\n  plant: all", "expected one of: verification, slots, load, writers, holdings"),
            ("  targets: 2\nexpect: {rumour: {at_most: 1}}", "allowed: first_ready"),
        ])
    func refused(_ text: String, _ message: String) {
        do {
            _ = try Self.distribute(text)
            Issue.record("it was read")
        } catch {
            #expect("\(error)".contains(message), "\(error)")
        }
    }

    @Test(
        "Sizes and speeds are read in bits and bytes",
        arguments: [("400Gbit", 50e9), ("400Gbit/s", 50e9), ("5 GB", 5e9), ("250MB/s", 250e6)])
    func rates(_ text: String, _ expected: Double) {
        #expect(QuantityReading.rate(text) == expected)
    }

    @Test("What is no positive size is refused", arguments: ["", "GB", "-1GB", "1e30TB", "5", "400Gbit"])
    func sizes(_ text: String) {
        #expect(QuantityReading.bytes(text) == nil)
    }
}

@Suite("Plans")
struct PlanTests {
    @Test("A plan says when replicas are ready, what sources carry, and what it was simulated with")
    func answer() throws {
        var distribution = Distribution(name: "plan", path: "")
        distribution.modelBytes = 140e9
        distribution.ranks = 4
        distribution.nic = 200e9
        distribution.targets = 8
        distribution.chunks = 64
        let answer = try Plan(distribution: distribution, seed: 1).answer()
        for part in [
            "8 replicas, 140 GB in 4 ranks of 35.00 GB, 400 Gbit/s for each rank; 1 source", "first ready after",
            "last ready after", "each source sends", "64 chunks of 547 MB", "production's have 4.19 MB",
        ] {
            #expect(answer.text.contains(part), "\(answer.text)")
        }
        #expect(try answer.json().contains("\"chunks\":64"))
    }
}
