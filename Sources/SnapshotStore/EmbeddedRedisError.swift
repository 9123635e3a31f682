package import EventThread

/// Why there is no embedded Redis.
package enum EmbeddedRedisError: Error, Equatable, CustomStringConvertible {
    case notInstalled(program: String)
    case folder(path: String, cause: String)
    case socketPathTooLong(path: String)
    /// Another server holds the folder's lock.
    case inUse(folder: String)
    /// A redis-server of an earlier run doesn't end.
    case leftover(folder: String)
    case spawn(cause: String)
    /// It ended instead of starting; `output` is the end of what it said.
    case ended(how: String, output: String, log: String)
    /// It runs, and doesn't answer.
    case silent(seconds: Int, log: String)
    case thread(EventThreadError)
    case stopped

    package var description: String {
        switch self {
        case .notInstalled(let program):
            "There is no \(program) in PATH, which --embedded-redis needs. Install it (apt-get install redis-server), or "
                + "leave out --embedded-redis and name a Redis with REDIS_URL."
        case .folder(let path, let cause): "The data folder \(path) can't be used: \(cause)."
        case .socketPathTooLong(let path):
            "The embedded Redis would listen at \(path), which has \(path.utf8.count) bytes; a Unix socket's path has at "
                + "most \(RedisURL.longestSocketPath). Choose a shorter --data-dir."
        case .inUse(let folder):
            "Another server runs its embedded Redis on \(folder). Stop it, or give this one a --data-dir of its own."
        case .leftover(let folder):
            "A redis-server of an earlier run still has \(folder) open and doesn't end. End it, then start again."
        case .spawn(let cause): "redis-server could not be started: \(cause)."
        case .ended(let how, let output, let log):
            "redis-server \(how) instead of starting. It said: \(output.isEmpty ? "nothing" : output) (see \(log))"
        case .silent(let seconds, let log): "redis-server did not answer within \(seconds) s; see \(log)."
        case .thread(let error): error.description
        case .stopped: "The embedded Redis was stopped."
        }
    }
}
