/// The bounds of a snapshot store.
package struct SnapshotStoreLimits: Sendable {
    /// Writes and renewals that may wait for Redis; a record counts once, however often it changes.
    package var pendingWrites = 100_000
    /// Bytes that waiting writes may hold.
    package var pendingBytes = 512 << 20
    /// The longest frame that is taken, in bytes.
    package var frameBytes = 256 << 10
    /// Records that one renewal names; a renewal of more is one of all records of its peer.
    package var renewedRecords = 1_000
    /// Scripts sent together.
    package var batchWrites = 256
    /// Bytes sent together, unless one write alone has more.
    package var batchBytes = 1 << 20
    /// Index entries that Redis looks at for one page of `load`.
    package var loadPage = 128
    /// Records that `load` returns at most.
    package var loadedRecords = 1_000_000
    /// Bytes of frames that `load` returns at most.
    package var loadedBytes = 2 << 30
    /// The longest life that is given to a key, in milliseconds: 366 days, over any life that a record may have.
    package var longestLife: UInt64 = 366 * 86_400_000
    /// The first and the longest pause between two attempts to connect, in nanoseconds.
    package var shortestPause: UInt64 = 100_000_000
    package var longestPause: UInt64 = 5_000_000_000
    /// How often an idle connection is asked whether it is still one, in nanoseconds.
    package var pingInterval: UInt64 = 5_000_000_000
    /// The shortest time between two requests for a refill while the connection holds, in nanoseconds.
    package var refillInterval: UInt64 = 30_000_000_000

    package init() {}
}
