/// Why a `LocalServer` can't listen.
package enum LocalServerError: Error, Hashable {
    case pathTooLong(path: String)
    /// A living process listens there; its number when it left one.
    case inUse(path: String, owner: Int?)
    case notASocket(path: String)
    case failed(path: String, reason: String)
}

extension LocalServerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .pathTooLong(let path):
            "the local socket's path \(path) has \(path.utf8.count) bytes and may have \(LocalLimits.socketPath); "
                + "choose a shorter state folder with --state-dir or MX_STATE_DIR"
        case .inUse(let path, let owner):
            "another process\(owner.map { " (\($0))" } ?? "") answers at \(path) already; "
                + "stop it, or choose another state folder with --state-dir or MX_STATE_DIR"
        case .notASocket(let path): "\(path) exists and is not a socket; move it away"
        case .failed(let path, let reason): "can't listen at \(path): \(reason)"
        }
    }
}
