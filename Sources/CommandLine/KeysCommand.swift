package import ArgumentParser
import Configuration
import LocalAPI
import Records
import Trust

/// `keys`: the root key of a cluster, the tokens with which peers join it, and what was revoked.
package struct KeysCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make the keys of a cluster and the tokens to join it; replace and revoke them.",
        discussion: """
            A cluster is a root key. Keep it off the machines that serve models: peers only need a token, which the \
            root key grants with limits. A revocation key, which may lie on a server, takes tokens and peers back.

            Example, a cluster for trying out on one machine:
              modelexpress keys init
              modelexpress keys token --roles origin,relay,reader,server
            """,
        subcommands: [
            KeysInitCommand.self, KeysTokenCommand.self, KeysRotateCommand.self, KeysRevokeCommand.self,
            KeysInspectCommand.self,
        ])

    package init() {}
}

/// The state folder of a `keys` command, and how it answers.
package struct KeysOptions: ParsableArguments {
    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp(
            "The folder that keys lie in (default: $MX_STATE_DIR, else ~/.modelexpress).", valueName: "folder"))
    package var path: String?

    @Flag(help: "Print JSON for programs; times in it are milliseconds since 1970.")
    package var json = false

    package init() {}

    var directory: StateDirectory { StateDirectory.resolve(flag: path, environment: .current()) }

    /// The root key, which signs tokens and revocation keys.
    func loadRoot() throws -> ClusterRoot {
        do throws(ConfigurationError) {
            return try ClusterKeyFiles.load(from: directory)
        } catch .unreadable(let path, let reason) {
            throw ExitError(
                code: ExitCodes.notFound,
                message: "can't read the root key \(path): \(reason); make a cluster with `modelexpress keys init`, "
                    + "or name its folder with --state-dir")
        } catch {
            throw ExitError(error)
        }
    }
}

/// `keys init`: a new cluster.
package struct KeysInitCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a new cluster: its root key and a revocation key.",
        discussion: """
            Writes root.key and revocation.key, which nobody else may see, and root.pub. A root key that is there \
            already is never overwritten.

            Example: modelexpress keys init --state-dir ./cluster
            """)

    @OptionGroup package var options: KeysOptions

    package init() {}

    package func run() throws { StandardText.output.write(try perform(now: WallTime.now())) }

    /// Makes the files; what to tell the user.
    ///
    /// - Parameter now: milliseconds since 1970.
    func perform(now: Int64) throws -> String {
        let directory = options.directory
        do {
            let anchor = try ClusterKeyFiles.create(in: directory)
            let (text, issuer) = RevocationKeyFile.make(
                root: try ClusterKeyFiles.load(from: directory), notBefore: now,
                notAfter: now + ValidityLimits.revocationKey)
            try SecretFile.write("\(text)\n", to: directory.revocationKey)
            guard !options.json else {
                let views =
                    [KeyView(anchor, file: directory.rootKey)] + [KeyView(issuer, file: directory.revocationKey)]
                return try LocalJSON.text(views) + "\n"
            }
            return """
                Made cluster \(anchor.cluster.short).
                  root key         \(directory.rootKey) (secret: keep a copy in a safe place)
                  public key       \(directory.rootPublicKey)
                  revocation key   \(directory.revocationKey) (secret: whoever has it can revoke tokens and peers)
                Next: `modelexpress keys token` makes the token with which peers join.

                """
        } catch {
            throw ExitError(error)
        }
    }
}
