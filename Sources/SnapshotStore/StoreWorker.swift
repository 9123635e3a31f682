import EventThread
import Records
import Telemetry

/// What the store does on its thread: connects, sends what waits, notices outages. All of it is called there.
final class StoreWorker {
    private let url: RedisURL
    private let calls: StoreCalls
    private let limits: SnapshotStoreLimits
    private let thread: EventThread
    private let queue: Guarded<StoreQueue>
    private let metrics: StoreMetrics
    private let callbacks: SnapshotStoreCallbacks
    private let log = Log(component: "snapshot-store")

    private var session: StoreSession?
    private var backoff: Backoff
    private var attemptTimer: TimerID?
    private var refillTimer: TimerID?
    private var batchTimer: TimerID?
    private var hadOutage = false
    private var lastRefill: UInt64?
    /// Unlike that of any other store on the same Redis.
    private let owner = UInt64.random(in: 1 ... .max)

    init(
        url: RedisURL, calls: StoreCalls, limits: SnapshotStoreLimits, thread: EventThread, queue: Guarded<StoreQueue>,
        metrics: StoreMetrics, callbacks: SnapshotStoreCallbacks
    ) {
        self.url = url
        self.calls = calls
        self.limits = limits
        self.thread = thread
        self.queue = queue
        self.metrics = metrics
        self.callbacks = callbacks
        backoff = Backoff(shortest: limits.shortestPause, longest: limits.longestPause)
    }

    func start() {
        metrics.connected.set(0)
        schedulePing()
        attempt()
    }

    func close() {
        drop()
        queue.withLock {
            $0.isStopped = true
            $0.state = .disconnected(since: MonotonicClock.now(), reason: .stopped)
        }
        metrics.connected.set(0)
    }

    // MARK: Sending

    /// Something was put into the queue.
    func wake() {
        queue.withLock { $0.isWakePosted = false }
        if batchTimer == nil { sendBatch() }
    }

    /// Sends one batch and schedules the next, so that a load gets its turn in between.
    private func sendBatch() {
        guard let session else { return }
        let (writes, renewals) = queue.withLock { queue in
            let writes = queue.pending.takeWrites()
            // Only after all writes, as a renewal counts records that are missing.
            let renewals = writes.isEmpty ? queue.pending.takeRenewals() : []
            queue.inFlight = writes.count + renewals.count
            return (writes, renewals)
        }
        guard !writes.isEmpty || !renewals.isEmpty else { return drained() }
        let unsent = send(writes: writes, renewals: renewals, over: session)
        let pending = queue.withLock { queue in
            queue.pending.giveBack(writes: unsent.writes, renewals: unsent.renewals)
            queue.inFlight = 0
            return queue.pending.count
        }
        metrics.pending.set(pending)
        if let error = unsent.error { return fail(error) }
        batchTimer = thread.schedule(after: 0) { [self] in
            batchTimer = nil
            sendBatch()
        }
    }

    private struct Unsent {
        var writes: [PendingWrite] = []
        var renewals: [PendingRenewal] = []
        /// What ended the connection's use.
        var error: RedisError?
    }

    private func send(writes: [PendingWrite], renewals: [PendingRenewal], over session: StoreSession) -> Unsent {
        let now = MonotonicClock.now()
        let live = renewals.compactMap { renewal in calls.call(for: renewal, now: now).map { (renewal, $0) } }
        let replies: [RedisReply]
        do throws(RedisError) {
            replies = try session.evaluate(writes.map { calls.call(for: $0, now: now) } + live.map { $0.1 })
        } catch {
            return Unsent(writes: writes, renewals: renewals, error: error)
        }
        var unsent = Unsent()
        for (write, reply) in zip(writes, replies) {
            if let error = judge(reply, of: write) {
                unsent.writes.append(write)
                unsent.error = error
            }
        }
        for ((renewal, _), reply) in zip(live, replies.dropFirst(writes.count)) {
            if let error = judge(reply, of: renewal) {
                unsent.renewals.append(renewal)
                unsent.error = error
            }
        }
        return unsent
    }

    /// Counts what became of a write; an error means that it should be sent again, later.
    private func judge(_ reply: RedisReply, of write: PendingWrite) -> RedisError? {
        switch reply {
        case .integer(0): metrics.stale.increment()
        case .integer(1): metrics.accepted.increment()
        case .integer(2): metrics.equal.increment()
        default: return judgeFailure(reply, what: "record \(write.recordID.short)")
        }
        return nil
    }

    private func judge(_ reply: RedisReply, of renewal: PendingRenewal) -> RedisError? {
        guard case .integer(let found) = reply, let renewed = UInt64(exactly: found) else {
            return judgeFailure(reply, what: "renewal for peer \(renewal.owner.short)")
        }
        metrics.renewed.add(renewed)
        if let expected = renewal.records.map({ UInt64($0.count) }), renewed < expected {
            metrics.missing.add(expected - renewed)
            queue.withLock { $0.isIncomplete = true }
        }
        return nil
    }

    /// What only one script meets (a foreign key in its place) would stand in the way of all others if it were tried again.
    private func judgeFailure(_ reply: RedisReply, what: String) -> RedisError? {
        guard case .error(let refusal) = reply else {
            return .protocolViolation(endpoint: "\(url.endpoint)", detail: "a script's answer that can't be")
        }
        if refusal.isServerWide { return .refused(refusal) }
        metrics.failed.increment()
        log.error("Redis refused a write for good", [("what", what), ("reason", refusal.text)])
        return nil
    }

    private func drained() {
        metrics.pending.set(0)
        backoff.reset()
        guard queue.withLock({ $0.isIncomplete }), refillTimer == nil else { return }
        let due = lastRefill.map { $0 + limits.refillInterval } ?? 0
        refillTimer = thread.schedule(at: due) { [self] in
            refillTimer = nil
            if session != nil { refill() }
        }
    }

    private func refill() {
        lastRefill = MonotonicClock.now()
        queue.withLock { $0.isIncomplete = false }
        log.info("asking for everything to be written to Redis again")
        callbacks.onReconnected()
    }

    // MARK: Loading

    /// Works also while writes are refused, over a connection of its own.
    func load() throws(RedisError) -> [StoredRecord] {
        do throws(RedisError) {
            let reader = if let session { session } else { try StoreSession(url, keys: calls.keys) }
            let loaded = try reader.load(limits: limits)
            if loaded.malformed > 0 {
                log.warning("skipped rows in Redis that are no records", [("rows", loaded.malformed)])
            }
            return loaded.records.values.sorted { $0.recordID < $1.recordID }
        } catch {
            if session != nil { fail(error) }
            throw error
        }
    }

    // MARK: Connection

    private func attempt() {
        attemptTimer = nil
        do throws(RedisError) {
            let session = try StoreSession(url, keys: calls.keys, owner: owner)
            try session.probe()
            adopt(session)
        } catch {
            fail(error)
        }
    }

    private func adopt(_ session: StoreSession) {
        self.session = session
        thread.register(descriptor: session.connection.descriptor, events: .readable) { [self] _ in
            fail(session.connection.explainReadable())
        }
        setState(.connected)
        metrics.connected.set(1)
        log.info("connected to Redis", [("url", url)])
        if hadOutage || queue.withLock({ $0.isIncomplete }) {
            hadOutage = false
            refill()
        }
        if batchTimer == nil { sendBatch() }
    }

    /// Ends the connection, if there is one, and tries again after a pause.
    private func fail(_ reason: RedisError) {
        if session != nil { metrics.outages.increment() }
        drop()
        hadOutage = true
        let pause = backoff.next()
        let before = queue.withLock { $0.state }
        switch before {
        case .disconnected(_, reason): break
        case .disconnected(let since, _): setState(.disconnected(since: since, reason: reason))
        case .connected: setState(.disconnected(since: MonotonicClock.now(), reason: reason))
        }
        metrics.connected.set(0)
        if before != queue.withLock({ $0.state }) {
            log.warning("no use of Redis, writes wait", [("url", url), ("reason", reason)])
        }
        attemptTimer = thread.schedule(after: pause) { [self] in attempt() }
    }

    private func drop() {
        if let attemptTimer { thread.cancel(attemptTimer) }
        attemptTimer = nil
        guard let session else { return }
        thread.unregister(descriptor: session.connection.descriptor)
        self.session = nil
    }

    private func setState(_ state: SnapshotStoreState) {
        queue.withLock { $0.state = state }
        callbacks.onStateChange(state)
    }

    /// A host that vanished without a word, and data that did, are noticed only by asking.
    private func schedulePing() {
        thread.schedule(after: limits.pingInterval) { [self] in
            if let session {
                do throws(RedisError) {
                    if try !session.probeAgain() { try lostData(session) }
                } catch { fail(error) }
            }
            schedulePing()
        }
    }

    private func lostData(_ session: StoreSession) throws(RedisError) {
        try session.probe()
        metrics.losses.increment()
        log.warning("Redis has lost what it held; it gets everything again", [("url", url)])
        queue.withLock { $0.isIncomplete = true }
        if batchTimer == nil { sendBatch() }
    }
}
