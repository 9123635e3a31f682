import Records
import SnapshotStore

/// What a server says of itself, in one word.
enum ServerState: String, CaseIterable, Sendable {
    /// In the mesh, with a store that takes writes.
    case ok
    /// Without a store: it serves from memory.
    case degraded
    /// Back from nothing, or from a copy that may be old: what it holds may be behind what its peers hold.
    case warming
    /// It leaves.
    case draining

    /// Without Redis a server stays in its Service: it is needed most then.
    var isReady: Bool { self == .ok || self == .degraded }
}

/// From what a server's state follows, and why. A value without a clock.
struct ServerCondition: Sendable {
    /// Peers whose digests must equal the server's before it is warm.
    static let agreements = 2
    /// After so long it is warm all the same, nanoseconds: there may be no such peers.
    static let longestWarming = 10 * Duration64.second

    /// The state with its reason, a sentence for people.
    struct Report: Equatable, Sendable {
        var state: ServerState
        var reason: String
    }

    /// On the monotonic clock, nanoseconds.
    private let started: UInt64
    private var store: SnapshotStoreState
    private var agreeing = 0
    private var isReading = true
    private(set) var isWarm = false
    private var isDraining = false
    private var warmed = ""

    /// - Parameter started: on the monotonic clock, nanoseconds.
    init(started: UInt64) {
        self.started = started
        store = .disconnected(since: started, reason: nil)
    }

    mutating func take(store state: SnapshotStoreState) { store = state }

    /// What the store held is read, or can't be.
    mutating func endReading() { isReading = false }

    /// Takes how many peers were found to hold the same; `now` is on the monotonic clock, nanoseconds.
    mutating func take(agreeing peers: Int, now: UInt64) {
        guard !isWarm else { return }
        agreeing = peers
        guard !isReading else { return }
        if peers >= Self.agreements {
            isWarm = true
            warmed = "\(peers) peers hold what it holds"
        } else if now >= started + Self.longestWarming {
            isWarm = true
            let seconds = Self.longestWarming / Duration64.second
            warmed = "there were not \(Self.agreements) peers to agree with in \(seconds) s"
        }
    }

    mutating func drain() { isDraining = true }

    var report: Report {
        if isDraining { return Report(state: .draining, reason: "it was asked to end") }
        guard isWarm else {
            return Report(
                state: .warming,
                reason: isReading
                    ? "it has just started, and reads what Redis holds; newcomers are served what it knows"
                    : "it has just started, and \(agreeing) of \(Self.agreements) peers hold what it holds; "
                        + "newcomers are served what it knows")
        }
        switch store {
        case .connected: return Report(state: .ok, reason: warmed)
        case .disconnected: return Report(state: .degraded, reason: "serving from memory: \(storeSentence)")
        }
    }

    /// How the store is, for people.
    var storeSentence: String {
        switch store {
        case .connected: "connected"
        case .disconnected(_, let reason): reason.map { "\($0)" } ?? "connecting"
        }
    }
}
