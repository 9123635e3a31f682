import ArgumentParser
import CommandLine
import LocalAPI
import Simulation

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs a scenario once and tells what came of it.")

    @Argument(help: "A scenario file, such as simulations/e1.yaml.")
    var file: String

    @Option(help: "The number that every choice of the run is drawn from.")
    var seed: UInt64 = 1

    @Option(help: "How many peers there are, in place of what the scenario says.")
    var peers: Int?

    @Flag(help: "One line of JSON in place of the table.")
    var json = false

    @Option(help: "A file for a picture of what was measured, SVG.")
    var svg: String?

    @Option(help: "A file for the same as numbers, CSV.")
    var csv: String?

    func validate() throws {
        if let peers, !(1...100_000).contains(peers) { throw ValidationError("--peers is from 1 to 100000") }
    }

    func run() throws {
        let report = try simulate()
        StandardText.output.write(json ? try report.json() + "\n" : ReportTable.text(report))
        try report.write(svg: svg, csv: csv)
        if !report.isPassed { throw ExitCode(Int32(ExitCodes.failed)) }
    }

    private func simulate() throws -> RunReport {
        let scenario: ScenarioFile
        do {
            scenario = try ScenarioReader.file(path: file, peers: peers)
        } catch {
            throw ExitError(code: ExitCodes.usage, message: "\(error)")
        }
        var line = RunLine()
        let report = try scenario.run(seed: seed) { line.show($0) }
        line.finish()
        return report
    }
}
