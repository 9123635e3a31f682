package import EventThread
package import Records
package import Telemetry

/// Keeps the verbatim signed bytes of records in Redis.
///
/// Nothing here blocks its caller: writes wait in a bounded queue, in which a record counts once and its newest version
/// wins, until the store's own thread has brought them to Redis, each in one Lua script. While Redis is away, full or
/// read-only they go on waiting. Whoever owns the records must be ready to put all of them again when `onReconnected` asks
/// for it. Several stores may share one Redis.
package final class SnapshotStore: Sendable {
    /// How often `flush` looks, in nanoseconds.
    private static let flushStep: UInt64 = 5_000_000

    private let thread: EventThread
    private let queue: Guarded<StoreQueue>
    private let limits: SnapshotStoreLimits
    private let metrics: StoreMetrics
    // Confined to the thread: it is touched only in work posted to it.
    nonisolated(unsafe) private let worker: StoreWorker

    /// - Parameters:
    ///   - url: where Redis is.
    ///   - cluster: whose records they are; part of each key's name.
    ///   - floorLife: milliseconds for which a record's version is remembered after its life ended or it was removed.
    ///   - metrics: where the store counts.
    ///   - onStateChange: called on the store's thread with each new state. It must not block.
    ///   - onReconnected: called on the store's thread when Redis is back after an outage, or has been found to lack
    ///     records: the owner then puts all it has. It must not block; it may call `put`.
    /// - Throws: when the system has no descriptor left.
    package init(
        url: RedisURL, cluster: ClusterID, floorLife: UInt64, limits: SnapshotStoreLimits = SnapshotStoreLimits(),
        metrics: Metrics = .shared, onStateChange: @escaping @Sendable (SnapshotStoreState) -> Void = { _ in },
        onReconnected: @escaping @Sendable () -> Void
    ) throws(EventThreadError) {
        thread = try EventThread(name: "redis")
        self.limits = limits
        self.metrics = StoreMetrics(metrics)
        queue = Guarded(
            StoreQueue(
                pending: PendingWrites(limits: limits),
                state: .disconnected(since: MonotonicClock.now(), reason: nil)))
        worker = StoreWorker(
            url: url,
            calls: StoreCalls(keys: StoreKeys(cluster: cluster), floorLife: floorLife, longestLife: limits.longestLife),
            limits: limits, thread: thread, queue: queue, metrics: self.metrics,
            callbacks: SnapshotStoreCallbacks(onStateChange: onStateChange, onReconnected: onReconnected))
    }

    /// Starts the thread, which connects; once. Redis needn't be there.
    package func start() throws(EventThreadError) {
        thread.post { [self] in worker.start() }
        try thread.run()
        queue.withLock { $0.isStarted = true }
    }

    /// Whether Redis takes writes, as known now.
    package var state: SnapshotStoreState { queue.withLock { $0.state } }

    /// Writes and renewals that Redis has not answered yet.
    package var pendingCount: Int { queue.withLock { $0.pending.count + $0.inFlight } }

    /// Writes a record unless Redis knows a newer version of it; the same version only gets a longer life. A record whose
    /// remaining life is 0 removes what older versions left.
    ///
    /// - Returns: false when the store is stopped, the frame too long or the queue full. If the queue is full,
    ///   `onReconnected` asks for everything once there is room.
    @discardableResult
    package func put(_ record: StoredRecord) -> Bool {
        guard record.frame.count <= limits.frameBytes else {
            metrics.dropped.increment()
            return false
        }
        let change = PendingWrite.Change.put(record, deadline: deadline(after: record.remainingLife))
        let write = PendingWrite(recordID: record.recordID, version: record.version, change: change)
        return enqueue { $0.add(write) }
    }

    /// Removes a record in this version and those before it, and lets Redis refuse all of them while the floor lives.
    @discardableResult
    package func remove(_ recordID: RecordID, version: Version) -> Bool {
        let write = PendingWrite(recordID: recordID, version: version, change: .remove)
        return enqueue { $0.add(write) }
    }

    /// Extends the lives of one peer's records, all in one script. Lives are never cut. Goes after the writes that wait.
    ///
    /// - Parameters:
    ///   - records: which; nil for all that Redis has of the peer. When one of them is missing, `onReconnected` asks for
    ///     everything.
    ///   - remainingLife: milliseconds from now.
    @discardableResult
    package func renew(owner: PeerID, records: [RecordID]? = nil, remainingLife: UInt64) -> Bool {
        let renewal = PendingRenewal(
            owner: owner, records: records.map { Set($0) }, deadline: deadline(after: remainingLife))
        return enqueue { $0.add(renewal) }
    }

    /// All whole records in Redis that have not expired, by id, as they were at some moment during the call. Writes that
    /// wait are not among them. Works also where writes are refused (memory full, a replica).
    ///
    /// - Throws: why Redis did not answer; `.stopped` after `stop()`. Waits for `start()`.
    package func load() async throws(RedisError) -> [StoredRecord] {
        do {
            return try await thread.perform { [self] in try worker.load() }
        } catch let error as RedisError {
            throw error
        } catch is EventThreadStopped {
            throw .stopped
        } catch {
            throw .overLimit("Too many loads wait: \(error)")
        }
    }

    /// Waits until nothing waits any more, for a shutdown without loss.
    ///
    /// - Returns: false when the time was over, or the task cancelled, before that.
    package func flush(timeout: Duration) async -> Bool {
        let end = ContinuousClock.now + timeout
        while !queue.withLock({ $0.isEmpty }) {
            guard ContinuousClock.now < end, !Task.isCancelled else { return false }
            try? await Task.sleep(nanoseconds: Self.flushStep)
        }
        return true
    }

    /// Ends the thread; what still waits is lost, so `flush` first. Returns when the thread has nothing more to do, which
    /// a command in progress can delay by its time-out.
    package func stop() async {
        guard queue.withLock({ $0.isStarted }) else { return thread.stop() }
        await withCheckedContinuation { continuation in
            let isPosted = thread.post { [self] in
                worker.close()
                thread.stop()
                continuation.resume()
            }
            if !isPosted { continuation.resume() }
        }
    }

    private func enqueue(_ add: @Sendable (inout PendingWrites) -> Bool) -> Bool {
        let (isTaken, mustWake) = queue.withLock { queue -> (Bool, Bool) in
            guard !queue.isStopped else { return (false, false) }
            guard add(&queue.pending) else {
                queue.isIncomplete = true
                return (false, false)
            }
            let mustWake = !queue.isWakePosted
            queue.isWakePosted = true
            return (true, mustWake)
        }
        if !isTaken { metrics.dropped.increment() }
        if mustWake { thread.post { [self] in worker.wake() } }
        return isTaken
    }

    private func deadline(after milliseconds: UInt64) -> UInt64 {
        MonotonicClock.now() + min(milliseconds, limits.longestLife) * 1_000_000
    }
}

/// What the store tells its owner.
struct SnapshotStoreCallbacks: Sendable {
    let onStateChange: @Sendable (SnapshotStoreState) -> Void
    let onReconnected: @Sendable () -> Void
}
