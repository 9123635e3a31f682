package import ArgumentParser
import Glibc
import LocalAPI

/// What `bench` takes, and how it prints.
package struct BenchArguments: ParsableArguments {
    @Argument(help: "What to measure; everything when nothing is named.")
    package var kernels: [String] = []

    @Option(help: "Measure this long for each, in milliseconds.")
    package var milliseconds: UInt64 = 500

    @Flag(help: "Print a JSON object a line.")
    package var json = false

    private struct Line: Encodable {
        let name: String
        let threads: Int
        let gigabytesPerSecond: Double
    }

    package init() {}

    /// Measures each kernel on one thread and on as many as there are processors.
    ///
    /// - Parameters:
    ///   - known: the kernels that there are.
    ///   - measure: kernel, threads and nanoseconds to bytes a second.
    package func run(known: [String], _ measure: (String, Int, UInt64) throws -> Double) throws {
        if let unknown = kernels.first(where: { !known.contains($0) }) {
            throw ValidationError("\"\(unknown)\" can't be measured; there are \(known.joined(separator: ", "))")
        }
        let all = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        for kernel in kernels.isEmpty ? known : kernels {
            for threads in all > 1 ? [1, all] : [1] {
                let rate = try measure(kernel, threads, milliseconds * 1_000_000) / 1e9
                let line = Line(name: kernel, threads: threads, gigabytesPerSecond: rate)
                StandardText.output.write(
                    json
                        ? try LocalJSON.text(line) + "\n"
                        : "\(kernel), \(threads) threads: \(QuantityText.rate(gigabytesPerSecond: rate))\n")
            }
        }
    }
}
