/// What the store's callers and its thread share.
struct StoreQueue: Sendable {
    var pending: PendingWrites
    /// Sent, and not answered yet.
    var inFlight = 0
    /// The thread was told and has not looked yet.
    var isWakePosted = false
    /// Something that should be in Redis was dropped, so only a refill brings it there.
    var isIncomplete = false
    var isStarted = false
    var isStopped = false
    var state: SnapshotStoreState

    var isEmpty: Bool { pending.count == 0 && inFlight == 0 }
}

/// Whether Redis takes writes.
package enum SnapshotStoreState: Equatable, Sendable {
    case connected
    /// `since` is a `MonotonicClock` time in nanoseconds. The reason is nil until the first attempt has ended.
    case disconnected(since: UInt64, reason: RedisError?)
}
