import ArgumentParser
import CommandLine
import Sidecar

/// Rates of the code that copies and digests, for the benchmarks: not for people, so it isn't listed.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench", shouldDisplay: false)

    @OptionGroup var arguments: BenchArguments

    func run() throws { try arguments.run(known: KernelRates.names, KernelRates.measure) }
}
