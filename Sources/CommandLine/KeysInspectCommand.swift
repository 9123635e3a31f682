package import ArgumentParser
import Configuration
import Glibc
import LocalAPI
import Records
import Trust

/// `keys inspect`: what a file or folder of keys holds.
package struct KeysInspectCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Tell what keys, tokens and revocations say, without their secrets.",
        discussion: """
            Takes a token, a root key or its public half, a revocation key, a list of revocations, or a folder with \
            any of them. The full IDs that it shows are what `keys revoke` takes.

            Examples:
              modelexpress keys inspect ./token
              modelexpress keys inspect --json
            """)

    @OptionGroup package var options: KeysOptions

    @Argument(help: ArgumentHelp("A file or folder (default: the state folder).", valueName: "file"))
    package var file: String?

    package init() {}

    package func run() throws { StandardText.output.write(try report(now: WallTime.now())) }

    /// - Parameter now: milliseconds since 1970.
    func report(now: Int64) throws -> String {
        let path = file ?? options.directory.path
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ExitError(code: ExitCodes.notFound, message: "there is no file \(path)")
        }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        let paths = isFolder ? Self.files(of: StateDirectory(path: path)) : [path]
        guard !paths.isEmpty else {
            throw ExitError(
                code: ExitCodes.notFound,
                message: "there are no keys in \(path); make a cluster with `modelexpress keys init`")
        }
        do {
            let files = try paths.map { ($0, try KeyFile.load($0)) }
            guard !options.json else { return try LocalJSON.text(files.flatMap(Self.views)) + "\n" }
            let texts = files.map { path, file in
                (isFolder ? "\(TerminalText.escaped(path))\n" : "") + Self.text(file, now: now)
            }
            return texts.joined(separator: "\n")
        } catch {
            throw ExitError(error)
        }
    }

    private static func files(of folder: StateDirectory) -> [String] {
        [
            folder.rootKey, folder.rootPublicKey, folder.revocationKey, folder.token, folder.revocations.path,
        ].filter { access($0, F_OK) == 0 }
    }

    private static func text(_ file: KeyFile, now: Int64) -> String {
        switch file {
        case .root(let anchor): "cluster  \(anchor.cluster)\nroot key, secret: it signs tokens and revocation keys\n"
        case .cluster(let anchor): "cluster  \(anchor.cluster)\npublic half of the root key\n"
        case .token(_, let grant): TokenReport.text(grant, now: now)
        case .revocationKey(_, let grant): RevocationReport.text(grant, now: now)
        case .revocations(let content): RevocationReport.text(content, now: now)
        }
    }

    private static func views(_ path: String, _ file: KeyFile) -> [KeyView] {
        switch file {
        case .root(let anchor): [KeyView(anchor, file: path)]
        case .cluster(let anchor): [KeyView(anchor, kind: "public key", file: path)]
        case .token(_, let grant): [KeyView(grant, file: path)]
        case .revocationKey(_, let grant): [KeyView(grant, file: path)]
        case .revocations(let content): content.notices.map { KeyView($0, file: path) }
        }
    }
}
