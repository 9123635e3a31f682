import ArgumentParser
import CommandLine
import Configuration
import Simulation

/// Runs the production protocol on virtual time.
@main
struct SimulationProgram: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelexpress-sim",
        abstract: "Simulates meshes of thousands of peers on virtual time, with the code that production runs.",
        discussion: """
            The same scenario and seed give the same run, and the same trace hash, on every machine:
              modelexpress-sim run simulations/e1.yaml --seed 1

            When does a fleet have its weights?
              modelexpress-sim plan --model 140GB --tp 4 --nic 400Gbit --replicas 1000

            Exit codes: 0 all expectations met, 1 not, 2 usage or a scenario that can't be used.
            """,
        version: Release.version,
        subcommands: [RunCommand.self, PlanCommand.self, CompareCommand.self, SwarmCommand.self, ShrinkCommand.self])

    static func main() async { await runMain(Self.self) }
}
