import Records
import Telemetry
import Testing

@testable import SnapshotStore

/// A pool's store whose callbacks are remembered.
private final class ObservedPool: Sendable {
    let store: PoolStore
    let metrics = Metrics()
    private let seen: Guarded<(rows: [PoolRow], refills: Int, missing: [[UInt8]])>

    init(_ url: RedisURL, limits: PoolStoreLimits = PoolStoreLimits()) throws {
        let seen = Guarded((rows: [PoolRow](), refills: 0, missing: [[UInt8]]()))
        self.seen = seen
        store = try PoolStore(
            url: url, cluster: Sample.cluster, limits: limits, metrics: metrics,
            callbacks: PoolStoreCallbacks(
                onRows: { rows in seen.withLock { $0.rows += rows } }, onRefill: { seen.withLock { $0.refills += 1 } },
                onMissing: { ids in seen.withLock { $0.missing += ids } }))
        try store.start()
    }

    var rows: [PoolRow] { seen.withLock { $0.rows } }
    var refills: Int { seen.withLock { $0.refills } }
    var missing: [[UInt8]] { seen.withLock { $0.missing } }

    func rows(_ id: String) -> [PoolRow] { rows.filter { $0.id == Array(id.utf8) } }
    func waitUntilConnected() async -> Bool { await eventually { store.isConnected } }
}

@Suite(.serialized)
struct PoolStoreTests {
    private func row(
        _ id: String, version: UInt64 = 1, state: String = "2 5 -", body: [UInt8]? = Array("body".utf8),
        life: UInt64 = 600_000
    ) -> PoolRow {
        PoolRow(
            id: Array(id.utf8), version: version, owner: Array("one".utf8), state: Array(state.utf8), body: body,
            life: life, remainingLife: life)
    }

    private func withRedis(_ body: (EmbeddedRedis, RawRedis) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        let raw = try RawRedis(redis.url)
        do { try await body(redis, raw) } catch { Issue.record(error) }
        raw.stop()
        await redis.stop()
        withExtendedLifetime(folder) {}
    }

    @Test("What was put is read by the next start, byte for byte, and every key expires")
    func readAtStart() async throws {
        try await withRedis { redis, raw in
            let first = try ObservedPool(redis.url)
            #expect(await first.waitUntilConnected())
            let rows = (0..<600).map { row("aa:0:w\($0)", body: [UInt8](repeating: UInt8($0 & 0xFF), count: $0)) }
            for row in rows { #expect(first.store.put(row, isCalm: false)) }
            #expect(await first.store.flush(timeout: patience))
            let second = try ObservedPool(redis.url)
            #expect(await second.waitUntilConnected())
            #expect(second.rows.count == 600)
            for row in rows {
                let found = try #require(second.rows(String(decoding: row.id, as: UTF8.self)).first)
                #expect(found.body == row.body && found.owner == row.owner && found.state == row.state)
                #expect(found.version == row.version && (1...row.life).contains(found.remainingLife))
            }
            for key in try await raw.keys() { #expect(try await raw.integer("PTTL", key) != -1, "\(key)") }
            await first.store.stop()
            await second.store.stop()
        }
    }

    @Test("A store follows what another changes, whole rows and states, and not its own")
    func follows() async throws {
        try await withRedis { redis, _ in
            let (first, second) = (try ObservedPool(redis.url), try ObservedPool(redis.url))
            #expect(await first.waitUntilConnected())
            #expect(await second.waitUntilConnected())
            first.store.put(row("aa:0:w"), isCalm: false)
            #expect(await first.store.flush(timeout: patience))
            #expect(await second.store.catchUp())
            #expect(second.rows("aa:0:w").map(\.body) == [Array("body".utf8)])
            first.store.put(row("aa:0:w", version: 2, state: "3 9 -", body: nil), isCalm: true)
            #expect(await first.store.flush(timeout: patience))
            #expect(await second.store.catchUp())
            let last = try #require(second.rows("aa:0:w").last)
            #expect(last.body == nil && last.state == Array("3 9 -".utf8) && last.version == 2)
            #expect(await first.store.catchUp())
            #expect(first.rows.isEmpty)
            await first.store.stop()
            await second.store.stop()
        }
    }

    @Test("The newest version stays, also above 2^53")
    func newestStays() async throws {
        try await withRedis { redis, _ in
            let first = try ObservedPool(redis.url)
            #expect(await first.waitUntilConnected())
            for version in [UInt64.max - 1, 1 << 53, .max, 3] {
                first.store.put(row("aa:0:w", version: version, state: "\(version & 7) 0 -"), isCalm: false)
                #expect(await first.store.flush(timeout: patience))
            }
            let second = try ObservedPool(redis.url)
            #expect(await second.waitUntilConnected())
            #expect(second.rows("aa:0:w").map(\.version) == [.max])
            await first.store.stop()
            await second.store.stop()
        }
    }

    @Test("A state of a row that Redis lost is asked for whole")
    func missing() async throws {
        try await withRedis { redis, raw in
            let first = try ObservedPool(redis.url)
            #expect(await first.waitUntilConnected())
            first.store.put(row("aa:0:w", version: 2, body: nil), isCalm: false)
            #expect(await eventually { first.missing == [Array("aa:0:w".utf8)] })
            #expect(
                try await raw.integer("EXISTS", StoreKeys(cluster: Sample.cluster).poolRow(Array("aa:0:w".utf8)).text)
                    == 0)
            await first.store.stop()
        }
    }

    @Test("Redis loses all under a connection that stands: a refill is asked for")
    func losesAll() async throws {
        try await withRedis { redis, raw in
            var limits = PoolStoreLimits()
            limits.pingInterval = 20_000_000
            let first = try ObservedPool(redis.url, limits: limits)
            #expect(await first.waitUntilConnected())
            try await raw.command("FLUSHALL")
            #expect(await eventually { first.refills > 0 })
            await first.store.stop()
        }
    }

    @Test("A gap in the changes is noticed: everything is read again")
    func gap() async throws {
        try await withRedis { redis, raw in
            let (first, second) = (try ObservedPool(redis.url), try ObservedPool(redis.url))
            #expect(await first.waitUntilConnected())
            #expect(await second.waitUntilConnected())
            let sequence = StoreKeys(cluster: Sample.cluster).poolSequence.text
            try await raw.command("SET", sequence, "100", "PX", "60000")
            first.store.put(row("aa:0:w"), isCalm: false)
            #expect(await first.store.flush(timeout: patience))
            #expect(await second.store.catchUp())
            let reads = second.metrics.counter("modelexpress_pool_store_reads_total", help: "").value
            #expect(reads == 2)
            #expect(!second.rows("aa:0:w").isEmpty)
            await first.store.stop()
            await second.store.stop()
        }
    }

    @Test("Without Redis nobody knows, and what was put waits until it is there")
    func away() async throws {
        let folder = try TemporaryFolder()
        let url = RedisURL(endpoint: .unixSocket(path: folder.path + "/redis.sock"))
        let pool = try ObservedPool(url)
        #expect(await pool.store.catchUp() == false)
        pool.store.put(row("aa:0:w"), isCalm: false)
        let redis = try await EmbeddedRedis.start(in: folder.path)
        #expect(await pool.store.flush(timeout: patience))
        #expect(await pool.store.catchUp())
        let second = try ObservedPool(redis.url)
        #expect(await second.waitUntilConnected())
        #expect(second.rows.count == 1)
        await pool.store.stop()
        await second.store.stop()
        await redis.stop()
    }
}

struct PoolQueueTests {
    private func waiting(_ id: UInt8, version: UInt64, body: Int? = nil) -> PoolQueue.Waiting {
        PoolQueue.Waiting(
            row: PoolRow(
                id: [id], version: version, owner: [], state: [], body: body.map { [UInt8](repeating: 0, count: $0) },
                life: 1, remainingLife: 1), deadline: 0)
    }

    @Test("A row waits once: its newest version, with the body that came before")
    func once() {
        var queue = PoolQueue(limits: PoolStoreLimits())
        let added = [
            queue.add(waiting(1, version: 1, body: 9), isCalm: false), queue.add(waiting(1, version: 3), isCalm: true),
            queue.add(waiting(1, version: 2, body: 5), isCalm: false),
        ]
        #expect(added == [true, true, true])
        let batch = queue.take()
        #expect(batch.map(\.row.version) == [3])
        #expect(batch.first?.row.body?.count == 9)
        #expect(queue.count == 0 && queue.bytes == 0)
    }

    @Test("Heartbeats wait until calm ends, unless something urgent comes for the same row")
    func calm() {
        var queue = PoolQueue(limits: PoolStoreLimits())
        for id in UInt8(1)...3 { _ = queue.add(waiting(id, version: 1), isCalm: true) }
        let nothing = queue.take()
        #expect(nothing.isEmpty)
        _ = queue.add(waiting(2, version: 2), isCalm: false)
        let urgent = queue.take()
        #expect(urgent.map(\.row.id) == [[2]])
        queue.endCalm()
        let rest = queue.take()
        #expect(Set(rest.map(\.row.id)) == [[1], [3]])
    }

    @Test("What could not be sent comes back, and gives way to what came meanwhile but for its body")
    func comesBack() {
        var queue = PoolQueue(limits: PoolStoreLimits())
        _ = queue.add(waiting(1, version: 1, body: 4), isCalm: false)
        let batch = queue.take()
        _ = queue.add(waiting(1, version: 2), isCalm: false)
        queue.giveBack(batch)
        let again = queue.take()
        #expect(again.map(\.row.version) == [2])
        #expect(again.first?.row.body?.count == 4)
    }

    @Test("Rows and bytes are bounded")
    func bounded() {
        var limits = PoolStoreLimits()
        limits.pendingRows = 2
        limits.pendingBytes = 10
        var queue = PoolQueue(limits: limits)
        let added = [
            queue.add(waiting(1, version: 1, body: 8), isCalm: false),
            queue.add(waiting(2, version: 1, body: 3), isCalm: false),
            queue.add(waiting(2, version: 1, body: 2), isCalm: false), queue.add(waiting(3, version: 1), isCalm: false),
        ]
        #expect(added == [true, false, true, false])
    }
}
