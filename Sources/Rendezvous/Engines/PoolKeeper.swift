import EnginePool
import EventThread
import PublicAPI
import SnapshotStore
import Telemetry

/// The pool of the public API: memory answers, and Redis keeps it for the next start and for the other servers on it.
final class PoolKeeper: EnginePort {
    private let pool: Guarded<EnginePool>
    private let store = Guarded<PoolStore?>(nil)
    private let timeouts: PoolTimeouts
    private let describe: @Sendable ([UInt8]) -> Publication?
    private let now: @Sendable () -> PoolTime
    private let log = Log(component: "grpc-pool")

    /// - Parameters:
    ///   - describe: what a listing tells of bytes that Redis held; nil for such as are nothing of ours.
    ///   - now: the time, for tests.
    init(
        limits: PoolLimits, timeouts: PoolTimeouts, describe: @escaping @Sendable ([UInt8]) -> Publication?,
        now: @escaping @Sendable () -> PoolTime = PoolKeeper.clocks
    ) {
        pool = Guarded(EnginePool(limits: limits, timeouts: timeouts))
        self.timeouts = timeouts
        self.describe = describe
        self.now = now
    }

    static let clocks: @Sendable () -> PoolTime = {
        PoolTime(monotonic: Int64(MonotonicClock.now() / 1_000_000), wall: WallClock.now())
    }

    /// Makes and starts the store. Redis needn't be there.
    func keep(in make: (PoolStoreCallbacks) throws -> PoolStore) throws -> PoolStore {
        let made = try make(
            PoolStoreCallbacks(
                onRows: { [weak self] in self?.take($0) }, onRefill: { [weak self] in self?.refill() },
                onMissing: { [weak self] in self?.putAgain($0) }))
        store.withLock { $0 = made }
        try made.start()
        return made
    }

    // MARK: Clients

    func publish(
        _ key: PoolKey, _ publication: Publication, status: Int, updatedAt: Int64, caller: String?
    ) throws(PoolRefusal) {
        let now = now()
        let entry = try pool.withLock { (pool: inout sending EnginePool) throws(PoolRefusal) -> PoolEntry in
            try pool.publish(key, publication, status: status, updatedAt: updatedAt, caller: caller, now: now)
        }
        put(entry, hasBody: true, isCalm: false, now)
    }

    func update(_ key: PoolKey, status: PoolStatus, load: Float?, caller: String?) async throws(PoolRefusal) {
        do throws(PoolRefusal) {
            try change(key, status, load, caller)
        } catch {
            guard case .unknown = error, await catchUp() else { throw error }
            try change(key, status, load, caller)
        }
    }

    private func change(_ key: PoolKey, _ status: PoolStatus, _ load: Float?, _ caller: String?) throws(PoolRefusal) {
        let now = now()
        let (entry, isHeartbeat) = try pool.withLock {
            (pool: inout sending EnginePool) throws(PoolRefusal) -> (PoolEntry, Bool) in
            let before = pool.entry(key)?.state(at: now.monotonic, pool.timeouts)?.status
            let entry = try pool.update(key, status: status, load: load, caller: caller, now: now)
            return (entry, before == status.rawValue)
        }
        put(entry, hasBody: false, isCalm: isHeartbeat, now)
    }

    func metadata(source: String, worker: String) async throws(PoolUnread) -> (entry: PoolEntry, state: PoolState)? {
        func find() -> (entry: PoolEntry, state: PoolState)? {
            let now = now()
            return pool.withLock { $0.metadata(source: source, worker: worker, now: now) }
        }
        if let found = find() { return found }
        guard await catchUp() else { throw PoolUnread() }
        return find()
    }

    func list(_ filter: PoolFilter) async throws(PoolUnread) -> [PoolListing] {
        func find() -> [PoolListing] {
            let now = now()
            return pool.withLock { $0.list(filter, now: now) }
        }
        let found = find()
        guard found.isEmpty else { return found }
        guard await catchUp() else { throw PoolUnread() }
        return find()
    }

    /// Whether all that other servers know is known here too.
    private func catchUp() async -> Bool {
        guard let store = store.withLock({ $0 }) else { return false }
        return await store.catchUp()
    }

    // MARK: Redis

    private func put(_ entry: PoolEntry, hasBody: Bool, isCalm: Bool, _ now: PoolTime) {
        guard let store = store.withLock({ $0 }) else { return }
        let life = entry.life(timeouts)
        let left = life - max(0, now.monotonic - entry.heard)
        guard left > 0 else { return }
        store.put(
            PoolRow(
                id: PoolText.id(entry.key), version: entry.state.version, owner: Array(entry.owner.utf8),
                state: PoolText.state(entry.state), body: hasBody ? entry.publication.body : nil, life: UInt64(life),
                remainingLife: UInt64(left)),
            isCalm: isCalm)
    }

    private func take(_ rows: [PoolRow]) {
        let now = now()
        var refused = 0
        for row in rows {
            guard let key = PoolText.key(row.id), let state = PoolText.state(row.state, version: row.version) else {
                refused += 1
                continue
            }
            let heard = now.monotonic - Int64(clamping: row.life) + Int64(clamping: row.remainingLife)
            guard let body = row.body else {
                _ = pool.withLock { $0.adopt(state, of: key, heard: heard) }
                continue
            }
            guard let publication = describe(body) else {
                refused += 1
                continue
            }
            let entry = PoolEntry(
                key: key, publication: publication, state: state, owner: String(decoding: row.owner, as: UTF8.self),
                heard: heard)
            _ = pool.withLock { $0.adopt(entry) }
        }
        if refused > 0 { log.warning("Redis holds rows of the gRPC pool that can't be read", [("rows", refused)]) }
    }

    private func refill() {
        let now = now()
        let entries = pool.withLock { $0.entries }
        for entry in entries { put(entry, hasBody: true, isCalm: false, now) }
    }

    private func putAgain(_ ids: [[UInt8]]) {
        let now = now()
        for key in ids.compactMap(PoolText.key) {
            guard let entry = pool.withLock({ $0.entry(key) }) else { continue }
            put(entry, hasBody: true, isCalm: false, now)
        }
    }

    // MARK: The rest

    var tally: PoolTally {
        let now = now()
        return pool.withLock { $0.tally(now: now) }
    }

    /// Lets go of what has ended now and then, until the task is cancelled. Answers never wait for it.
    func sweep() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(timeouts.sweep))
            let now = now()
            let ended = pool.withLock { $0.sweep(now: now) }
            if !ended.isEmpty { log.info("forgot workers that were silent", [("workers", ended.count)]) }
        }
    }
}
