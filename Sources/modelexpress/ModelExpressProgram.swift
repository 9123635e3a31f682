import ArgumentParser
import CommandLine
import Configuration

/// The command line for people.
@main
struct ModelExpressProgram: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelexpress",
        abstract: "Moves model weights between machines, peer to peer, every chunk verified.",
        discussion: """
            A first try on one machine:
              modelexpress keys init && modelexpress keys token
              modelexpress-server --embedded-redis &
              modelexpress serve ./my-model &
              modelexpress pull my-model --to ./copy

            Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 refused, 5 unreachable.
            """,
        version: Release.version,
        subcommands: [
            ServeCommand.self, PullCommand.self, PeersCommand.self, SourcesCommand.self, StatusCommand.self,
            KeysCommand.self, BenchCommand.self,
        ])

    static func main() async { await runMain(Self.self) }
}
