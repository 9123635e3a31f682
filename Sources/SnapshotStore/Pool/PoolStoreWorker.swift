import EventThread
import Records
import Telemetry

/// What the pool's store does on its thread; all of it is called there.
final class PoolStoreWorker {
    private let url: RedisURL
    private let keys: StoreKeys
    private let limits: PoolStoreLimits
    private let thread: EventThread
    private let queue: Guarded<PoolQueue>
    private let metrics: PoolStoreMetrics
    private let callbacks: PoolStoreCallbacks
    private let log = Log(component: "pool-store")

    private var session: PoolSession?
    private var position: PoolSession.Position?
    private var backoff: Backoff
    private var attemptTimer: TimerID?
    private var batchTimer: TimerID?
    private var caughtUp: UInt64 = 0
    private var lastReason: RedisError?
    /// Unlike that of any other store on the same Redis.
    private let owner = UInt64.random(in: 1 ... .max)

    init(
        url: RedisURL, keys: StoreKeys, limits: PoolStoreLimits, thread: EventThread, queue: Guarded<PoolQueue>,
        metrics: PoolStoreMetrics, callbacks: PoolStoreCallbacks
    ) {
        self.url = url
        self.keys = keys
        self.limits = limits
        self.thread = thread
        self.queue = queue
        self.metrics = metrics
        self.callbacks = callbacks
        backoff = Backoff(shortest: limits.shortestPause, longest: limits.longestPause)
    }

    func start() {
        metrics.connected.set(0)
        attempt()
        repeatedly(limits.calmPause) { $0.sendCalm() }
        repeatedly(limits.followPause) { _ = $0.follow() }
        repeatedly(limits.pingInterval) { $0.ping() }
    }

    func close() {
        drop()
        queue.withLock { $0.isStopped = true }
    }

    // MARK: Connection

    private func attempt() {
        attemptTimer = nil
        do throws(RedisError) {
            let session = PoolSession(
                session: try StoreSession(url, keys: keys, owner: owner), keys: keys, limits: limits,
                writer: Array(String(owner, radix: 16).utf8))
            try session.session.probe()
            try read(session)
            self.session = session
            adopt(session)
        } catch {
            fail(error)
        }
    }

    private func adopt(_ session: PoolSession) {
        thread.register(descriptor: session.session.connection.descriptor, events: .readable) { [self] _ in
            fail(session.session.connection.explainReadable())
        }
        let isBack = lastReason != nil
        lastReason = nil
        backoff.reset()
        let isIncomplete = queue.withLock { queue in
            queue.isConnected = true
            defer { queue.isIncomplete = false }
            return queue.isIncomplete
        }
        metrics.connected.set(1)
        log.info("the gRPC pool is kept in Redis", [("url", url)])
        // Redis may have come back with less than it had.
        if isBack || isIncomplete { callbacks.onRefill() }
        sendBatches()
    }

    /// Everything, and from then on what changes.
    private func read(_ session: PoolSession) throws(RedisError) {
        metrics.reloads.increment()
        let end = try session.end()
        try session.load { callbacks.onRows($0) }
        position = end
    }

    private func fail(_ reason: RedisError) {
        drop()
        if lastReason != reason {
            log.warning("the gRPC pool is kept in memory only", [("url", url), ("reason", reason)])
        }
        lastReason = reason
        attemptTimer = thread.schedule(after: backoff.next()) { [self] in attempt() }
    }

    private func drop() {
        if let attemptTimer { thread.cancel(attemptTimer) }
        attemptTimer = nil
        queue.withLock { $0.isConnected = false }
        metrics.connected.set(0)
        guard let session else { return }
        thread.unregister(descriptor: session.session.connection.descriptor)
        self.session = nil
    }

    /// A host that vanished without a word, and data that did, are noticed only by asking.
    private func ping() {
        guard let session else { return }
        do throws(RedisError) {
            if try !session.session.probeAgain() {
                try session.session.probe()
                log.warning("Redis has lost what it held; it gets the gRPC pool again", [("url", url)])
                try read(session)
                callbacks.onRefill()
            }
        } catch {
            fail(error)
        }
    }

    // MARK: Sending

    /// Something was put into the queue.
    func wake() {
        queue.withLock { $0.isWakePosted = false }
        if batchTimer == nil { sendBatches() }
    }

    func sendCalm() {
        queue.withLock { $0.endCalm() }
        if batchTimer == nil { sendBatches() }
    }

    /// Sends one batch and schedules the next, so that other work gets its turn in between.
    private func sendBatches() {
        guard let session else { return }
        let batch = queue.withLock { $0.take() }
        guard !batch.isEmpty else { return drained() }
        do throws(RedisError) {
            let unsent = try judge(try session.write(batch), of: batch)
            queue.withLock { $0.giveBack(unsent.rows) }
            if !unsent.rows.isEmpty { return fail(unsent.reason ?? .stopped) }
        } catch {
            queue.withLock { $0.giveBack(batch) }
            return fail(error)
        }
        batchTimer = thread.schedule(after: 0) { [self] in
            batchTimer = nil
            sendBatches()
        }
    }

    /// The rows that should be sent again, later, and why they were not taken.
    private func judge(
        _ replies: [RedisReply], of batch: [PoolQueue.Waiting]
    ) throws(RedisError) -> (rows: [PoolQueue.Waiting], reason: RedisError?) {
        var unsent: (rows: [PoolQueue.Waiting], reason: RedisError?) = ([], nil)
        var missing: [[UInt8]] = []
        for (waiting, reply) in zip(batch, replies) {
            switch reply {
            case .integer(1): metrics.accepted.increment()
            case .integer(2): metrics.equal.increment()
            case .integer(0): metrics.stale.increment()
            case .integer(-1):
                metrics.missing.increment()
                missing.append(waiting.row.id)
            case .error(let refusal) where refusal.isServerWide:
                unsent.reason = .refused(refusal)
                unsent.rows.append(waiting)
            case .error(let refusal):
                metrics.failed.increment()
                log.error("Redis refused a row of the gRPC pool for good", [("reason", refusal.text)])
            default:
                throw .protocolViolation(endpoint: "\(url.endpoint)", detail: "a script's answer that can't be")
            }
        }
        if !missing.isEmpty { callbacks.onMissing(missing) }
        return unsent
    }

    private func drained() {
        metrics.pending.set(queue.withLock { $0.count })
        let mustRefill = queue.withLock { queue in
            defer { queue.isIncomplete = false }
            return queue.isIncomplete
        }
        if mustRefill { callbacks.onRefill() }
    }

    // MARK: Following

    /// Whether all that others had changed at `asked` is known.
    func catchUp(since asked: UInt64) -> Bool {
        if caughtUp >= asked, session != nil { return true }
        return follow()
    }

    private func follow() -> Bool {
        guard let session, var place = position else { return false }
        let began = MonotonicClock.now()
        do throws(RedisError) {
            while true {
                let changes = try session.changes(after: place)
                if changes.hasGap {
                    try read(session)
                    break
                }
                place = changes.position
                position = place
                metrics.followed.add(UInt64(changes.rows.count))
                if !changes.rows.isEmpty { callbacks.onRows(changes.rows) }
                guard changes.isMore else { break }
            }
        } catch {
            fail(error)
            return false
        }
        caughtUp = began
        return true
    }

    private func repeatedly(_ pause: UInt64, _ work: @escaping (PoolStoreWorker) -> Void) {
        thread.schedule(after: pause) { [self] in
            work(self)
            repeatedly(pause, work)
        }
    }
}
