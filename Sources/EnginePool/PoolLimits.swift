/// The bounds of the pool of the public API.
package struct PoolLimits: Sendable, Hashable {
    /// Ranks of workers that it holds.
    package var workers = 100_000
    /// Bytes of what they published, all together.
    package var bodyBytes = 1 << 30
    /// Bytes of a worker's id.
    package var workerIDBytes = 256
    /// Bytes of an identity's texts, all together: each is kept for each worker and listed.
    package var identityBytes = 16 << 10
    /// Bytes of what a listing tells of one worker beside its identity: accelerator and topology.
    package var listedBytes = 4 << 10

    package init() {}
}

/// When silence means an end. The variables are those of public servers.
package struct PoolTimeouts: Sendable, Hashable {
    /// After so much silence a worker counts as stale, milliseconds (`MX_HEARTBEAT_TIMEOUT_SECS`).
    package var heartbeat: Int64 = 90_000
    /// After so long a stale worker is forgotten, milliseconds (`MX_GC_TIMEOUT_SECS`).
    package var forget: Int64 = 3_600_000
    /// How often memory is swept, milliseconds (`MX_REAPER_SCAN_INTERVAL_SECS`). Answers never wait for it: they follow from the
    /// time alone.
    package var sweep: Int64 = 30_000

    package init() {}
}
