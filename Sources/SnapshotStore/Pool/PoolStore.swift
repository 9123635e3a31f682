package import EventThread
package import Records
package import Telemetry

/// Keeps the pool of the public API in Redis, for the next start and for other servers on the same Redis, and follows what those
/// change.
///
/// Nothing here blocks its caller. What is put waits in a bounded queue, a row once, until the store's own thread has brought it to
/// Redis, each row in one script. While Redis is away it goes on waiting.
package final class PoolStore: Sendable {
    /// How often `flush` looks, nanoseconds.
    private static let flushStep: UInt64 = 5_000_000

    private let thread: EventThread
    private let queue: Guarded<PoolQueue>
    private let metrics: PoolStoreMetrics
    // Confined to the thread: it is touched only in work posted to it.
    nonisolated(unsafe) private let worker: PoolStoreWorker

    /// - Parameters:
    ///   - url: where Redis is.
    ///   - cluster: whose pool it is; part of each key's name.
    package init(
        url: RedisURL, cluster: ClusterID, limits: PoolStoreLimits = PoolStoreLimits(), metrics: Metrics = .shared,
        callbacks: PoolStoreCallbacks
    ) throws(EventThreadError) {
        thread = try EventThread(name: "redis-pool")
        queue = Guarded(PoolQueue(limits: limits))
        self.metrics = PoolStoreMetrics(metrics)
        worker = PoolStoreWorker(
            url: url, keys: StoreKeys(cluster: cluster), limits: limits, thread: thread, queue: queue,
            metrics: self.metrics, callbacks: callbacks)
    }

    /// Starts the thread, which connects, reads everything and follows; once. Redis needn't be there.
    package func start() throws(EventThreadError) {
        thread.post { [self] in worker.start() }
        try thread.run()
    }

    /// Whether Redis has been read and takes writes, as known now.
    package var isConnected: Bool { queue.withLock { $0.isConnected } }

    /// Rows that Redis has not answered yet.
    package var pendingCount: Int { queue.withLock { $0.count + $0.inFlight } }

    /// Writes a row unless Redis knows a newer version of it.
    ///
    /// - Parameter isCalm: a heartbeat, which may wait for a moment to be written with others.
    /// - Returns: false when the store is stopped or the queue full; in the latter case a refill is asked for later.
    @discardableResult
    package func put(_ row: PoolRow, isCalm: Bool) -> Bool {
        let deadline = MonotonicClock.now() &+ min(row.remainingLife, 1 << 40) * 1_000_000
        let (isTaken, mustWake) = queue.withLock { queue -> (Bool, Bool) in
            guard !queue.isStopped else { return (false, false) }
            guard queue.add(PoolQueue.Waiting(row: row, deadline: deadline), isCalm: isCalm) else {
                queue.isIncomplete = true
                return (false, false)
            }
            let mustWake = !isCalm && !queue.isWakePosted
            if mustWake { queue.isWakePosted = true }
            return (true, mustWake)
        }
        if !isTaken { metrics.dropped.increment() }
        if mustWake { thread.post { [self] in worker.wake() } }
        return isTaken
    }

    /// Reads what other servers have changed until now. Whoever calls meanwhile shares one reading.
    ///
    /// - Returns: false when Redis can't be asked, so that nobody knows.
    package func catchUp() async -> Bool {
        let asked = MonotonicClock.now()
        return (try? await thread.perform { [self] in worker.catchUp(since: asked) }) ?? false
    }

    /// Waits until nothing waits any more, for a shutdown without loss.
    ///
    /// - Returns: false when the time was over, or the task cancelled, before that.
    package func flush(timeout: Duration) async -> Bool {
        let end = ContinuousClock.now + timeout
        thread.post { [self] in worker.sendCalm() }
        while pendingCount > 0 {
            guard ContinuousClock.now < end, !Task.isCancelled else { return false }
            try? await Task.sleep(nanoseconds: Self.flushStep)
        }
        return true
    }

    /// Ends the thread; what still waits is lost, so `flush` first.
    package func stop() async {
        await withCheckedContinuation { continuation in
            let isPosted = thread.post { [self] in
                worker.close()
                thread.stop()
                continuation.resume()
            }
            if !isPosted { continuation.resume() }
        }
    }
}

/// What a pool store counts.
struct PoolStoreMetrics: Sendable {
    let accepted: Counter
    let equal: Counter
    let stale: Counter
    let missing: Counter
    let failed: Counter
    let dropped: Counter
    let followed: Counter
    let reloads: Counter
    let connected: Gauge
    let pending: Gauge

    init(_ metrics: Metrics) {
        func writes(_ result: String) -> Counter {
            metrics.counter(
                "modelexpress_pool_store_writes_total",
                help: "Rows of the gRPC pool written to Redis by result: accepted, equal, stale, missing (a state of a "
                    + "row that Redis lost), failed (refused for good), dropped (queue full).",
                labels: [("result", result)])
        }
        accepted = writes("accepted")
        equal = writes("equal")
        stale = writes("stale")
        missing = writes("missing")
        failed = writes("failed")
        dropped = writes("dropped")
        followed = metrics.counter(
            "modelexpress_pool_store_followed_total", help: "Rows of the gRPC pool that other servers changed.")
        reloads = metrics.counter(
            "modelexpress_pool_store_reads_total", help: "How often the whole gRPC pool was read from Redis.")
        connected = metrics.gauge(
            "modelexpress_pool_store_connected", help: "1 while Redis takes the gRPC pool's writes, else 0.")
        pending = metrics.gauge("modelexpress_pool_store_pending", help: "Rows of the gRPC pool that wait for Redis.")
    }
}
