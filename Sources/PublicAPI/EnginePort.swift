package import EnginePool

/// What the service asks of whoever keeps the pool.
package protocol EnginePort: Sendable {
    func publish(
        _ key: PoolKey, _ publication: Publication, status: Int, updatedAt: Int64, caller: String?
    ) throws(PoolRefusal)

    /// - Throws: `PoolRefusal.unknown` also for a worker that another server may know, where that can't be found out: its client then
    ///   publishes again, which helps in any case.
    func update(_ key: PoolKey, status: PoolStatus, load: Float?, caller: String?) async throws(PoolRefusal)

    /// Nil where there is certainly no such worker.
    func metadata(source: String, worker: String) async throws(PoolUnread) -> (entry: PoolEntry, state: PoolState)?

    /// Empty where there is certainly none.
    func list(_ filter: PoolFilter) async throws(PoolUnread) -> [PoolListing]
}

/// Nobody knows: what isn't known here may stand in a store that can't be asked.
package struct PoolUnread: Error, Sendable {
    package init() {}
}

/// Says who calls.
package protocol CallerAuthority: Sendable {
    /// A name that stays the same for a caller, by the token that it shows; nil where it shows none.
    func caller(token: String?) async throws(CallerRefusal) -> String
}

/// Why a caller is not let in.
package enum CallerRefusal: Error, Hashable, Sendable {
    case unauthenticated
    case notAllowed(name: String)
    /// Whoever would know can't be asked.
    case unavailable
}

extension CallerRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unauthenticated: "missing or invalid service account token"
        case .notAllowed(let name): "service account \(name) is not in the allowlist"
        case .unavailable: "authentication backend unavailable"
        }
    }
}

/// The bounds of the gRPC face.
package struct PublicAPILimits: Sendable {
    /// Bytes of one message, as public clients and servers take it.
    package var messageBytes = 100 << 20
    /// Bytes that all calls together may hold, coming in and going out; the call that goes beyond ends with RESOURCE_EXHAUSTED.
    package var heldBytes = 1 << 30
    /// Connections at once: each worker keeps one.
    package var connections = 20_000
    /// Calls at once on one connection, and on all.
    package var connectionStreams = 256
    package var streams = 20_000
    /// Watches of the health service at once.
    package var watches = 256
    /// After so long a call ends that has not ended before, seconds. Public clients give up after 30.
    package var callSeconds: Int64 = 120
    /// A connection without calls ends after so long, seconds.
    package var idleSeconds: Int64 = 1_800
    /// What may be under way over a connection before its reader says that it has room, bytes.
    package var windowBytes = 1 << 20
    /// How long calls have to end when the server does, seconds.
    package var graceSeconds: Int64 = 2

    package init() {}
}
