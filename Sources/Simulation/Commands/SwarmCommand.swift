package import ArgumentParser
import Glibc

/// Runs random scenarios for a time.
package struct SwarmCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "swarm",
        abstract: "Runs random scenarios for a time, and makes the ones that fail smaller.",
        discussion: """
            Each scenario is drawn from a seed of its own, from --seed upwards. One that fails is printed as a scenario file, as
            small as it could be made, with the command that runs it again.
            """)

    @Option(help: "Seconds after which no further scenario is begun.")
    var seconds = 60

    @Option(help: "Scenarios at most.")
    var count = 1_000_000

    @Option(help: "The first scenario's seed.")
    var seed: UInt64 = 1

    @Flag(help: "Print the scenario of --seed and don't run it.")
    var show = false

    package init() {}

    package func validate() throws {
        guard seconds > 0, count > 0 else { throw ValidationError("--seconds and --count are at least 1") }
    }

    package func run() throws {
        if show { return print(RandomScenario.text(seed: seed), terminator: "") }
        let start = Self.now()
        var (ran, failed, events) = (0, 0, 0)
        while ran < count, Self.now() < start + seconds {
            let current = seed + UInt64(ran)
            let text = RandomScenario.text(seed: current)
            let scenario = try ScenarioReader.read(text: text, path: "swarm-\(current).yaml")
            let report = try Simulation(scenario, seed: current).run()
            ran += 1
            events += report.events
            guard let violation = report.violations.first else { continue }
            failed += 1
            var shrinking = Shrinking(text: text, path: "swarm-\(current).yaml", seed: current)
            _ = try shrinking.run()
            print("# Seed \(current): \(violation.invariant.rawValue); \(violation.peer): \(violation.detail)")
            print("# again: modelexpress-sim swarm --seed \(current) --count 1")
            print(shrinking.text)
        }
        print("\(ran) scenarios, \(events) events, \(failed) failed")
        if failed > 0 { throw ExitCode(1) }
    }

    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }
}
