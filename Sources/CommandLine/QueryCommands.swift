package import ArgumentParser
import Configuration
import Glibc
import LocalAPI

/// `sources`: who offers which model.
package struct SourcesCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "sources", abstract: "List who offers which model.",
        discussion: """
            A source that still loads can be read from as well; HAS says how much of the model it holds.

            Example: modelexpress sources --server http://modelexpress-server:8080
            """)

    @OptionGroup package var query: QueryOptions

    package init() {}

    package func run() throws {
        guard let sources = try query.ask("sources").sources else { throw ExitError(MissingPart(part: "sources")) }
        StandardText.output.write(
            query.json ? try LocalJSON.text(sources) + "\n" : MeshReport.sources(sources))
    }
}

/// `status`: what a process says of itself.
package struct StatusCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how a peer or server is doing.",
        discussion: "Example: modelexpress status --json")

    @OptionGroup package var query: QueryOptions

    package init() {}

    package func run() throws {
        guard let status = try query.ask("status").status else { throw ExitError(MissingPart(part: "status")) }
        StandardText.output.write(query.json ? try LocalJSON.text(status) + "\n" : MeshReport.status(status))
    }
}

/// `peers`: who is in the mesh.
package struct PeersCommand: ParsableCommand {
    /// Between two tables of `--watch`.
    static let watchInterval = timespec(tv_sec: 1, tv_nsec: 0)

    package static let configuration = CommandConfiguration(
        commandName: "peers", abstract: "List the peers of the mesh.",
        discussion: """
            LINK tells whether the peer that answers has a channel to it; VALID is how long its word holds unless it \
            is renewed.

            Example: modelexpress peers --watch
            """)

    @OptionGroup package var query: QueryOptions

    @Flag(help: "Draw the table again each second, until Ctrl-C.")
    package var watch = false

    package init() {}

    package func run() throws {
        let terminal = Terminal.standardOutput(.current())
        guard watch else { return StandardText.output.write(try report()) }
        guard terminal.isInteractive || query.json else {
            throw ExitError(
                code: ExitCodes.usage,
                message: "--watch draws in a terminal and standard output is none; "
                    + "with --json it prints a line a second")
        }
        while true {
            let text = try report()
            StandardText.output.write(query.json ? text : "\u{1b}[H\u{1b}[2J\(text)")
            var interval = Self.watchInterval
            nanosleep(&interval, nil)
        }
    }

    private func report() throws -> String {
        guard let peers = try query.ask("peers").peers else { throw ExitError(MissingPart(part: "peers")) }
        return query.json ? try LocalJSON.text(peers) + "\n" : MeshReport.peers(peers)
    }
}
