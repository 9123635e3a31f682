package import ArgumentParser
import Configuration
import LocalAPI
import Records
import Trust

/// `keys token`: a token with which peers join.
package struct KeysTokenCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make a token with which peers join the cluster.",
        discussion: """
            A token is a secret: who reads it can make peers within its limits. A server needs the role server; a peer \
            that serves its own folders is an origin, one that passes on what it pulled a relay, one that pulls a \
            reader.

            Example, for replicas that may pull and pass on models of one team:
              modelexpress keys token --roles relay,reader --models team-a/
            """)

    @OptionGroup package var options: KeysOptions

    @Option(help: "What peers may be: origin, relay, reader, server, with commas between them.")
    package var roles = RolesArgument([.origin, .relay, .reader])

    @Option(
        help: ArgumentHelp(
            "Only models whose names begin with this; may be given again (default: all models).", valueName: "prefix"))
    package var models: [String] = []

    @Option(help: ArgumentHelp("How long a peer's certificate holds: 24h at most.", valueName: "time"))
    package var life = DurationArgument(milliseconds: ValidityLimits.certificate)

    @Option(help: ArgumentHelp("How long the token lets peers join, such as 12h or 7d.", valueName: "time"))
    package var expires = DurationArgument(milliseconds: 7 * 86_400_000)

    @Option(
        help: ArgumentHelp(
            "How many peers of this token a peer takes notice of: what your pods may number, rolling updates included. "
                + "0 for no limit.", valueName: "count"))
    package var peers: UInt32 = 0

    @Option(
        help: ArgumentHelp(
            "Where to write it, mode 0600; - for standard output (default: the state folder's token).",
            valueName: "file"))
    package var out: String?

    package init() {}

    package func validate() throws {
        guard (1000...ValidityLimits.certificate).contains(life.milliseconds) else {
            let longest = DurationArgument(milliseconds: ValidityLimits.certificate)
            throw ValidationError("--life must be from 1s to \(longest)")
        }
        guard expires.milliseconds >= 1000, expires.milliseconds <= ValidityLimits.token else {
            throw ValidationError("--expires must be from 1s to 3650d")
        }
        guard !models.contains("") else {
            throw ValidationError("--models is empty, which would allow all models; leave it out to mean that")
        }
        guard models.count <= WireLimits.modelPrefixes, models.allSatisfy({ $0.utf8.count <= WireLimits.name }) else {
            throw ValidationError(
                "--models takes at most \(WireLimits.modelPrefixes) prefixes of \(WireLimits.name) bytes")
        }
    }

    package func run() throws { StandardText.output.write(try perform(now: WallTime.now())) }

    /// Makes the token; what to tell the user, or the token itself for `--out -`.
    ///
    /// - Parameter now: milliseconds since 1970.
    func perform(now: Int64) throws -> String {
        let directory = options.directory
        let prefixes = models.isEmpty ? [""] : models
        do {
            let text = TokenFile.make(
                root: try options.loadRoot(), roles: roles.roles, modelPrefixes: prefixes,
                certificateLife: life.milliseconds, peers: peers, notBefore: now, notAfter: now + expires.milliseconds)
            guard out != "-" else { return "\(text)\n" }
            let path = out ?? directory.token
            try SecretFile.write("\(text)\n", to: path)
            guard !options.json else {
                return try LocalJSON.text([KeyView(try TokenFile.decode(text, path: path).grant.value, file: path)])
                    + "\n"
            }
            return """
                Wrote a token to \(path) (secret: who has it can join).
                  roles    \(roles.roles.words.joined(separator: ", "))
                  models   \(TerminalText.escaped(TokenReport.models(prefixes)))
                  ends     \(WallTime.text(now + expires.milliseconds))

                """
        } catch {
            throw ExitError(error)
        }
    }
}
