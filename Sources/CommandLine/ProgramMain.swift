package import ArgumentParser
import Glibc
import LocalAPI

/// Runs a program's root command and ends the process with a code of `ExitCodes`.
///
/// To be awaited by the program's `main` itself: commands that block then block the main thread only.
///
/// - Parameter arguments: without the program's name; nil takes the process's own.
package func runMain(_ root: any ParsableCommand.Type, arguments: [String]? = nil) async -> Never {
    let end = await ProgramEnd.run(root, arguments: arguments)
    if !end.output.isEmpty { StandardText.output.write(end.output) }
    if !end.error.isEmpty { StandardText.error.write(end.error) }
    exit(Int32(end.code))
}

/// How a program ended, before the process does.
package struct ProgramEnd: Hashable, Sendable {
    package var code: Int
    /// What is left to say on standard output: a help text, a version.
    package var output = ""
    /// What is left to say on standard error, with its line ends.
    package var error = ""

    /// Parses and runs.
    package static func run(_ root: any ParsableCommand.Type, arguments: [String]?) async -> ProgramEnd {
        do {
            var command = try root.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return ProgramEnd(code: ExitCodes.done)
        } catch {
            return ProgramEnd(error, root: root)
        }
    }

    private init(code: Int, output: String = "", error: String = "") {
        self.code = code
        self.output = output
        self.error = error
    }

    private init(_ error: any Error, root: any ParsableCommand.Type) {
        switch root.exitCode(for: error) {
        case .success: self.init(code: ExitCodes.done, output: Self.line(root.fullMessage(for: error)))
        case .validationFailure: self.init(code: ExitCodes.usage, error: Self.usage(root.fullMessage(for: error)))
        case let code where error is ExitCode: self.init(code: Int(code.rawValue))
        default:
            let end = ExitError(error)
            self.init(code: end.code, error: "\(end)\n")
        }
    }

    /// Begins like every other error of ours.
    private static func usage(_ text: String) -> String {
        line(text.hasPrefix("Error: ") ? "error: " + text.dropFirst(7) : text)
    }

    private static func line(_ text: String) -> String { text.isEmpty || text.hasSuffix("\n") ? text : text + "\n" }
}
