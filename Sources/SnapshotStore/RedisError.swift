/// Why something with Redis did not happen.
package enum RedisError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No connection: not listening, no such host or path, or the connection broke.
    case unreachable(endpoint: String, cause: String)
    /// No answer in time.
    case timedOut(endpoint: String, action: String)
    /// The server answered with an error.
    case refused(RedisRefusal)
    /// The other side doesn't speak Redis, or answered what no Redis answers.
    case protocolViolation(endpoint: String, detail: String)
    /// More than a named bound allows.
    case overLimit(String)
    /// The store was stopped, or not started, so nothing will answer.
    case stopped

    package var description: String {
        switch self {
        case .unreachable(let endpoint, let cause):
            "Redis at \(endpoint) can't be reached: \(cause). Is it running, and does REDIS_URL name it?"
        case .timedOut(let endpoint, let action):
            "Redis at \(endpoint) did not answer in time (\(action))."
        case .refused(let refusal): refusal.description
        case .protocolViolation(let endpoint, let detail):
            "What answers at \(endpoint) does not speak as Redis does: \(detail)."
        case .overLimit(let text): text
        case .stopped: "The snapshot store is not running."
        }
    }
}

/// An error reply: the server's own words, shortened, without a password.
package struct RedisRefusal: Equatable, Sendable, CustomStringConvertible {
    /// The longest text that is kept, in characters.
    static let longestText = 256
    /// Codes that say something about the server and not about one command, so that the same command may work later.
    static let serverWideCodes: Set<String> = [
        "OOM", "READONLY", "LOADING", "NOAUTH", "WRONGPASS", "NOPERM", "MISCONF", "BUSY", "MASTERDOWN", "CLUSTERDOWN",
        "NOREPLICAS", "TRYAGAIN", "MOVED", "ASK", "UNKILLABLE", "DENIED",
    ]

    /// The word that classifies it: `OOM`, `READONLY`, `LOADING`, `NOAUTH`, `NOSCRIPT`, `ERR` and so on.
    package let code: String
    package let text: String

    /// Reads an error reply. A server older than 7 wraps the error of a script's command, so the code is looked for inside.
    init(reply: String) {
        text = String(reply.prefix(Self.longestText))
        let words = text.split { !($0.isLetter && $0.isASCII) && $0 != "_" }.map(String.init)
        let first = words.first ?? "ERR"
        let isFromScript = first == "ERR" && text.contains("user_script")
        code = isFromScript ? words.first { Self.serverWideCodes.contains($0) } ?? first : first
    }

    /// Whether the server as a whole refuses, so that waiting may help.
    package var isServerWide: Bool { Self.serverWideCodes.contains(code) }

    package var description: String {
        let advice =
            switch code {
            case "OOM": " Raise its maxmemory."
            case "READONLY": " REDIS_URL names a replica; name the primary."
            case "LOADING": " It is still reading its data; it will be tried again."
            case "NOAUTH", "WRONGPASS": " Put the account into REDIS_URL: redis://user:password@host."
            case "MOVED", "ASK":
                " REDIS_URL names a node of a cluster that doesn't keep these keys; name the one that does."
            default: ""
            }
        return "Redis refused: \(text)" + (text.hasSuffix(".") ? "" : ".") + advice
    }
}
