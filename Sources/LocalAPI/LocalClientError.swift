/// Why a peer's local socket gave no answer. Programs end with `ExitCodes.unreachable`.
package enum LocalClientError: Error, Hashable {
    /// Nobody listens there.
    case noPeer(path: String)
    /// The peer ended before its answer did.
    case ended(path: String)
    case silent(path: String)
    case badAnswer(path: String, reason: String)
    case failed(path: String, reason: String)

    /// The folder that a socket's path lies in.
    private static func folder(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension LocalClientError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noPeer(let path):
            "no peer runs with state folder \(Self.folder(path)): start one, or name a server with --server URL"
        case .ended(let path): "the peer at \(path) ended before it had answered"
        case .silent(let path): "the peer at \(path) does not answer; look at its log"
        case .badAnswer(let path, let reason):
            "the answer from \(path) can't be read (\(reason)); use the same version of both programs"
        case .failed(let path, let reason): "can't ask the peer at \(path): \(reason)"
        }
    }
}
