/// Why a worker can't be talked to, or what it says can't be used.
package enum EngineError: Error, Hashable, Sendable {
    /// Nobody listens there any more: the worker has ended.
    case gone
    /// No answer in time; the worker may be busy, or stopped.
    case silent
    /// The worker answered that it will not, and why.
    case refused(String)
    /// What it sent makes no sense.
    case malformed(String)
    case system(String)
}

extension EngineError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .gone: "the worker is gone"
        case .silent: "the worker does not answer"
        case .refused(let reason): "the worker refuses: \(reason)"
        case .malformed(let what): "the worker sends \(what); use the Python package of this release"
        case .system(let what): what
        }
    }
}
