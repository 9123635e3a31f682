package import ArgumentParser
import Configuration
import LocalAPI
import Records
import Trust

/// `keys`: the root key of a cluster, and the tokens with which peers join it.
package struct KeysCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make the keys of a cluster and the tokens to join it.",
        discussion: """
            A cluster is a root key. Keep it off the machines that serve models: peers only need a token, which the \
            root key grants with limits.

            Example, a cluster for trying out on one machine:
              modelexpress keys init
              modelexpress keys token --roles origin,relay,reader,server
            """,
        subcommands: [KeysInitCommand.self, KeysTokenCommand.self, KeysInspectCommand.self])

    package init() {}
}

/// The state folder of a `keys` command.
package struct StateFolderOption: ParsableArguments {
    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp(
            "The folder that keys lie in (default: $MX_STATE_DIR, else ~/.modelexpress).", valueName: "folder"))
    package var path: String?

    package init() {}

    var directory: StateDirectory { StateDirectory.resolve(flag: path, environment: .current()) }
}

/// `keys init`: a new cluster.
package struct KeysInitCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a new cluster: its root key.",
        discussion: """
            Writes root.key, which nobody else may see, and root.pub. A root key that is there already is never \
            overwritten.

            Example: modelexpress keys init --state-dir ./cluster
            """)

    @OptionGroup package var state: StateFolderOption

    package init() {}

    package func run() throws { StandardText.output.write(try perform()) }

    /// Makes the files; what to tell the user.
    func perform() throws -> String {
        let directory = state.directory
        do {
            let anchor = try ClusterKeyFiles.create(in: directory)
            return """
                Made cluster \(anchor.cluster.short).
                  root key     \(directory.rootKey) (secret: keep a copy in a safe place)
                  public key   \(directory.rootPublicKey)
                Next: `modelexpress keys token` makes the token with which peers join.

                """
        } catch {
            throw ExitError(error)
        }
    }
}

/// `keys inspect`: what a token allows.
package struct KeysInspectCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Tell what a token allows, without its secret.",
        discussion: "Example: modelexpress keys inspect ./token")

    @Argument(help: ArgumentHelp("The token's file.", valueName: "file"))
    package var file: String

    package init() {}

    package func run() throws { StandardText.output.write(try report(now: WallTime.now())) }

    /// - Parameter now: milliseconds since 1970.
    func report(now: Int64) throws -> String {
        do {
            return TokenReport.text(try TokenFile.load(file).grant.value, now: now)
        } catch ConfigurationError.noToken {
            throw ExitError(code: ExitCodes.notFound, message: "there is no file \(file)")
        } catch {
            throw ExitError(error)
        }
    }
}
