/// One rank of one worker of the public API's pool, as it is kept in Redis. Opaque here, but for what orders and expires it.
package struct PoolRow: Sendable, Equatable {
    /// Its name, unique in the pool.
    package var id: [UInt8]
    /// The higher one counts.
    package var version: UInt64
    /// Who may change it.
    package var owner: [UInt8]
    /// What changes often; short.
    package var state: [UInt8]
    /// What was published. Nil where only the state is meant, of a row that is there.
    package var body: [UInt8]?
    /// How long a store keeps it after it was last heard of, milliseconds.
    package var life: UInt64
    /// How much of that is left, milliseconds, counted from the call that it is passed to or comes from.
    package var remainingLife: UInt64

    package init(
        id: [UInt8], version: UInt64, owner: [UInt8], state: [UInt8], body: [UInt8]?, life: UInt64,
        remainingLife: UInt64
    ) {
        self.id = id
        self.version = version
        self.owner = owner
        self.state = state
        self.body = body
        self.life = life
        self.remainingLife = remainingLife
    }
}

/// What a pool store tells its owner, all on the store's thread; nothing of it may block.
package struct PoolStoreCallbacks: Sendable {
    /// Rows that another server, or an earlier run, wrote. Rows without a body change a state only.
    package var onRows: @Sendable ([PoolRow]) -> Void
    /// Redis lacks what it should have: the owner puts all that it has, with bodies.
    package var onRefill: @Sendable () -> Void
    /// Redis lacks these rows, whose states alone were put: the owner puts them whole.
    package var onMissing: @Sendable ([[UInt8]]) -> Void

    package init(
        onRows: @escaping @Sendable ([PoolRow]) -> Void, onRefill: @escaping @Sendable () -> Void,
        onMissing: @escaping @Sendable ([[UInt8]]) -> Void
    ) {
        self.onRows = onRows
        self.onRefill = onRefill
        self.onMissing = onMissing
    }
}

/// The bounds of a pool store.
package struct PoolStoreLimits: Sendable {
    /// Rows that may wait for Redis; a row counts once, however often it changes.
    package var pendingRows = 200_000
    /// Bytes of the bodies that may wait.
    package var pendingBytes = 1 << 30
    /// Scripts sent together, and bytes sent together unless one row alone has more.
    package var batchRows = 256
    package var batchBytes = 4 << 20
    /// For how long heartbeats are collected before they are written, nanoseconds: each row's once.
    package var calmPause: UInt64 = 2_000_000_000
    /// How often the changes of other servers are looked for, nanoseconds.
    package var followPause: UInt64 = 250_000_000
    /// Changes that are read at once, index entries that are looked at at once, and the changes that Redis keeps, about.
    package var followPage = 500
    package var loadPage = 128
    package var keptChanges = 20_000
    /// Bytes of bodies that are asked for at once.
    package var bodyBytes = 16 << 20
    /// The first and the longest pause between two attempts to connect, and how often a connection is tried, nanoseconds.
    package var shortestPause: UInt64 = 100_000_000
    package var longestPause: UInt64 = 5_000_000_000
    package var pingInterval: UInt64 = 5_000_000_000

    package init() {}
}
