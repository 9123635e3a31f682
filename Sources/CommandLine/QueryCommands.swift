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
            LINK tells whether it is in the view of the peer that answers, so that each hears the other's gossip; VALID \
            is how long its word holds unless it is renewed. --watch marks who came with + and who went with -, and \
            shows the busiest first.

            Example: modelexpress peers --watch
            """)

    @OptionGroup package var query: QueryOptions

    @Flag(help: "Show the mesh live: drawn again each second, until Ctrl-C.")
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
        var live = PeersWatch()
        while true {
            if query.json {
                StandardText.output.write(try report())
            } else {
                live.look(try peers(), at: Double(JobRenderer.monotonicNow()) / 1e9)
                let text = live.text(rows: terminal.currentHeight, status: try query.ask("status").status)
                StandardText.output.write("\u{1b}[H\u{1b}[2J\(text)")
            }
            var interval = Self.watchInterval
            nanosleep(&interval, nil)
        }
    }

    private func peers() throws -> [PeerView] {
        guard let peers = try query.ask("peers").peers else { throw ExitError(MissingPart(part: "peers")) }
        return peers
    }

    private func report() throws -> String {
        let peers = try peers()
        return query.json ? try LocalJSON.text(peers) + "\n" : MeshReport.peers(peers)
    }
}
