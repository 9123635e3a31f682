import Records

/// Why a source stopped serving a connection.
enum ConnectionEnd: Error, Equatable {
    /// The reader left, or the lease ended.
    case finished
    /// The first bytes or a request make no sense.
    case garbage(String)
    /// No session key, or an unknown lease.
    case refused
    /// It had to make room for another connection.
    case displaced
    /// It said nothing, or only half of something, in the time it had.
    case silent
    /// It asks for more than twice its window.
    case flood
    /// It takes nothing of what it asked for.
    case stalled
    /// Our own storage is shorter than the layout says, or fails.
    case storage(String)
    case system(String)

    /// The word of metrics; nil for what is no failure.
    var reason: String? {
        switch self {
        case .finished: nil
        case .garbage: "garbage"
        case .refused: "refused"
        case .displaced: "displaced"
        case .silent: "silent"
        case .flood: "flood"
        case .stalled: "stalled"
        case .storage: "storage"
        case .system: "system"
        }
    }

    /// Of a failed wait or call while receiving.
    init(receiving failure: SocketFailure) {
        switch failure {
        case .ended: self = .finished
        case .timedOut: self = .silent
        case .system: self = .system(failure.description)
        }
    }

    /// Of a failed wait or call while sending.
    init(sending failure: SocketFailure) {
        switch failure {
        case .ended: self = .finished
        case .timedOut: self = .stalled
        case .system: self = .system(failure.description)
        }
    }
}
