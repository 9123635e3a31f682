package import ArgumentParser
import FoundationEssentials

/// Makes a failing scenario smaller.
package struct ShrinkCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "shrink",
        abstract: "Prints the smallest part of a scenario that still breaks the same invariant with the same seed.")

    @Argument(help: "A scenario file whose timeline has one step on each line.")
    var file: String

    @Option(help: "The seed with which it fails.")
    var seed: UInt64 = 1

    package init() {}

    package func run() throws {
        guard let content = FileManager.default.contents(atPath: file),
            let text = String(validating: content, as: UTF8.self)
        else { throw ValidationError("can't read \(file)") }
        var shrinking = Shrinking(text: text, path: file, seed: seed)
        guard let invariant = try shrinking.run() else {
            print("no invariant is broken with seed \(seed)")
            throw ExitCode(1)
        }
        print("# Seed \(seed): \(invariant); \(shrinking.runs) runs")
        print(shrinking.text)
    }
}
