import ArgumentParser
import Configuration
import LocalAPI
import Records
import Testing

@testable import CommandLine

private struct Root: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelexpress", version: "1.2.3",
        subcommands: [
            KeysCommand.self, PeersCommand.self, SourcesCommand.self, StatusCommand.self, Failing.self, Options.self,
        ])
}

private struct Failing: AsyncParsableCommand {
    @Argument var kind: String

    func run() async throws {
        switch kind {
        case "ours": throw ExitError(code: ExitCodes.refused, message: "no \u{1B}[2J")
        case "quiet": throw ExitCode(3)
        case "usage": throw ValidationError("pick one")
        case "settings": throw ConfigurationError.invalid(setting: "--slots", value: "x", expected: "a number")
        case "peer": throw LocalClientError.noPeer(path: "/state/sidecar.sock")
        default: return
        }
    }
}

private struct Options: ParsableCommand {
    @OptionGroup var peer: PeerOptions
    @OptionGroup var pull: PullArguments
}

struct ProgramEndTests {
    private func end(_ arguments: String...) async -> ProgramEnd {
        await ProgramEnd.run(Root.self, arguments: arguments)
    }

    @Test("Ways of ending have their codes and say why on standard error")
    func codes() async {
        #expect(await end("failing", "not").code == 0)
        let ours = await end("failing", "ours")
        #expect(ours.code == 4 && ours.error == "error: no \\u{1b}[2J\n" && ours.output.isEmpty)
        let quiet = await end("failing", "quiet")
        #expect(quiet.code == 3 && quiet.error.isEmpty)
        #expect(await end("failing", "settings").code == 2)
        #expect(await end("failing", "peer").code == 5)
    }

    @Test("A mistake in the arguments ends with 2 and shows the usage")
    func usage() async {
        let mistakes = [["failing"], ["peers", "--colour"], ["failing", "usage"], ["keys", "token", "--roles", "x"]]
        for arguments in mistakes {
            let end = await ProgramEnd.run(Root.self, arguments: arguments)
            #expect(end.code == 2)
            #expect(end.error.hasPrefix("error: ") && end.error.contains("Usage: modelexpress"))
        }
    }

    @Test("Help and version go to standard output and end with 0")
    func help() async {
        let version = await end("--version")
        #expect(version.code == 0 && version.output == "1.2.3\n" && version.error.isEmpty)
        for command in [["--help"], ["keys", "token", "--help"], ["peers", "--help"], ["options", "--help"]] {
            let end = await ProgramEnd.run(Root.self, arguments: command)
            #expect(end.code == 0 && end.output.contains("USAGE:") && end.error.isEmpty)
        }
    }

    @Test("Questions to nobody end with 5 and say what to do")
    func nobody() async throws {
        let folder = try TemporaryFolder()
        for command in ["peers", "sources", "status"] {
            let end = await end(command, "--state-dir", folder.path)
            #expect(end.code == 5)
            #expect(
                end.error
                    == "error: no peer runs with state folder \(folder.path): start one, or name a server with "
                    + "--server URL\n")
        }
        #expect(await end("peers", "--server", "a").code == 2)
        #expect(await end("peers", "--server", "http://a", "--server-ca", "ca.pem").code == 2)
        #expect(await end("peers", "--server-ca", "ca.pem").code == 2)
        let secure = await end("peers", "--server", "https://127.0.0.1:1")
        #expect(secure.code == 5 && secure.error.contains("https://127.0.0.1:1/api/v1/peers"))
    }

    @Test("Durations and sizes are parsed, and written the way they came")
    func durations() {
        #expect(DurationArgument(argument: "90")?.milliseconds == 90_000)
        for (text, milliseconds) in [("30s", 30_000), ("90m", 5_400_000), ("24h", 86_400_000), ("7d", 604_800_000)] {
            #expect(DurationArgument(argument: text)?.milliseconds == Int64(milliseconds))
            #expect(DurationArgument(milliseconds: Int64(milliseconds)).description == text)
        }
        for text in ["", "h", "1.5h", "-1", "1w", "99999999999999999999d", "9999999999999999d"] {
            #expect(DurationArgument(argument: text) == nil)
        }
        for (text, bytes) in [("500MB", 500_000_000), ("1.5GB/s", 1_500_000_000), ("64MiB", 67_108_864), ("7", 7)] {
            #expect(Quantities.bytes(text) == UInt64(bytes))
        }
    }

    @Test("A peer's flags reach its settings")
    func flags() throws {
        let options = try Options.parse([
            "llama", "--to", "/m", "--lane", "tcp", "--wait", "5m", "--serve", "--peers", "a:1,b:2", "--peers", "c:3",
            "--state-dir", "/s", "--slots", "4", "--rate-limit", "500MB", "--data-port", "0", "--lanes", "tcp",
            "--peer-name", "me", "--zone", "z", "--log-level", "debug",
        ])
        #expect(options.pull.model == "llama" && options.pull.directory == "/m" && options.pull.lane == .tcp)
        #expect(options.pull.wait?.seconds == 300 && options.pull.serve && options.pull.integrity == nil)
        let settings = try PeerSettings.resolve(
            options.peer.flags, environment: Environment(["MX_ZONE": "other", "MX_SLOTS": "9"]), ports: .sidecar,
            defaultPeers: [], usesStateForLanes: true)
        #expect(settings.peers == ["a:1", "b:2", "c:3"])
        #expect(settings.zone == "z" && settings.slots == 4 && settings.name == "me" && settings.ports.data == 0)
        #expect(settings.rateLimit == 500_000_000)
        #expect(settings.state.path == "/s" && settings.lanes == [.tcp])
    }
}
