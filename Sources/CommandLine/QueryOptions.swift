package import ArgumentParser
import Configuration
import Glibc
package import LocalAPI

/// Where a question goes, and how its answer is shown.
package struct QueryOptions: ParsableArguments {
    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp(
            "Ask the peer that runs with this state folder (default: $MX_STATE_DIR, else ~/.modelexpress).",
            valueName: "folder"))
    package var stateDirectory: String?

    @Option(
        help: ArgumentHelp(
            "Ask a ModelExpress server instead, for example http://modelexpress-server:8080.", valueName: "url"))
    package var server: String?

    @Option(
        name: .customLong("server-ca"),
        help: ArgumentHelp(
            "Trust only the certificates in this PEM file for an https:// server (default: the system's).",
            valueName: "file"))
    package var serverAuthorities: String?

    @Flag(help: "Print JSON for programs instead of a table for people.")
    package var json = false

    package init() {}

    package func validate() throws {
        if serverAuthorities != nil, server == nil {
            throw ValidationError("--server-ca is for an https:// server: name it with --server.")
        }
    }

    /// Asks `peers`, `sources` or `status`. Blocks.
    ///
    /// - Throws: `ExitError`.
    package func ask(_ request: String) throws -> LocalAnswer {
        do {
            let answer =
                try server.map { try HTTPQuery(server: $0, authorities: serverAuthorities).get(request) }
                ?? askLocally(request)
            if let message = answer.error {
                throw ExitError(code: answer.exitCode ?? ExitCodes.failed, message: message)
            }
            return answer
        } catch {
            throw ExitError(error)
        }
    }

    private func askLocally(_ request: String) throws -> LocalAnswer {
        let client = try connect(StateDirectory.resolve(flag: stateDirectory, environment: .current()))
        var merged = LocalAnswer(isLast: true)
        try client.ask(LocalRequest(request: request)) { answer in
            merged.status = answer.status ?? merged.status
            merged.peers = answer.peers.map { (merged.peers ?? []) + $0 } ?? merged.peers
            merged.sources = answer.sources.map { (merged.sources ?? []) + $0 } ?? merged.sources
            merged.error = answer.error ?? merged.error
            merged.exitCode = answer.exitCode ?? merged.exitCode
        }
        return merged
    }

    /// A sidecar's socket, else a server's, else that of a `serve` or `pull` that runs with the same folder.
    private func connect(_ state: StateDirectory) throws(LocalClientError) -> LocalClient {
        for path in [state.sidecarSocket, state.serverSocket] + state.commandSockets {
            do throws(LocalClientError) {
                return try LocalClient.connect(path)
            } catch .noPeer {
                // A socket that a killed process left; the next may be alive.
                continue
            }
        }
        throw .noPeer(path: state.sidecarSocket)
    }
}

/// An answer without the part that was asked for.
struct MissingPart: Error, CustomStringConvertible {
    let part: String

    var description: String { "the answer holds no \(part); use the same version of both programs" }
}
