import Configuration
import Digest
import PublicAPI
import Telemetry

/// Callers by the tokens in a file: `NAME TOKEN`, a line each; empty lines, and those that begin with `#`, are passed over. The file is
/// read again when it was replaced.
final class TokenFileCallers: CallerAuthority {
    /// How often the file is read, nanoseconds.
    private static let period: UInt64 = 10_000_000_000
    private static let sizeLimit = 1 << 20
    private static let shortestToken = 16

    private let path: String
    /// Names by what their tokens digest to: looking one up tells nobody, by the time that it takes, how near a guess came.
    private let names: Guarded<[Digest256: String]>
    private let log = Log(component: "grpc")

    init(path: String) throws(ConfigurationError) {
        self.path = path
        names = Guarded(try Self.read(path))
    }

    func caller(token: String?) throws(CallerRefusal) -> String {
        guard let token, let name = name(of: token) else { throw .unauthenticated }
        return name
    }

    func name(of token: String) -> String? {
        let digest = SHA256.digest(Array(token.utf8))
        return names.withLock { $0[digest] }
    }

    /// Reads the file again now and then until the task is cancelled. One that can't be used leaves things as they are.
    func watch() async {
        while !Task.isCancelled {
            try? await Task.sleep(nanoseconds: Self.period)
            do throws(ConfigurationError) {
                let read = try Self.read(path)
                let isNew = names.withLock { names in
                    defer { names = read }
                    return names != read
                }
                if isNew { log.info("new tokens are used", [("file", path), ("tokens", read.count)]) }
            } catch {
                log.warning("the file of tokens can't be used; what it held before holds", [("reason", "\(error)")])
            }
        }
    }

    static func read(_ path: String) throws(ConfigurationError) -> [Digest256: String] {
        var names: [Digest256: String] = [:]
        for line in try SecretFile.read(path, isPrivate: false, sizeLimit: sizeLimit).split(whereSeparator: \.isNewline)
        {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard words.count == 2, words[1].utf8.count >= shortestToken else {
                throw .malformed(
                    path: path,
                    what: "a list of callers: NAME TOKEN in each line, tokens of \(shortestToken) characters or more")
            }
            names[SHA256.digest(Array(words[1].utf8))] = String(first)
        }
        guard !names.isEmpty else { throw .malformed(path: path, what: "a list of callers: it names none") }
        return names
    }
}

/// Static tokens first, then whoever else knows.
struct FirstThatKnows: CallerAuthority {
    let file: TokenFileCallers
    let review: TokenReviewCallers

    func caller(token: String?) async throws(CallerRefusal) -> String {
        if let token, let name = file.name(of: token) { return name }
        return try await review.caller(token: token)
    }
}
