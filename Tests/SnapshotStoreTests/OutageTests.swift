import EventThread
import Glibc
import Records
import Telemetry
import Testing

@testable import SnapshotStore

@Suite(.serialized)
struct OutageTests {
    private var quick: SnapshotStoreLimits {
        var limits = SnapshotStoreLimits()
        limits.shortestPause = 10_000_000
        limits.longestPause = 100_000_000
        // Many batches, so that a kill falls between them.
        limits.batchWrites = 16
        return limits
    }

    private func withRedis(_ body: (EmbeddedRedis, RawRedis, ObservedStore) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        let raw = try RawRedis(redis.url)
        let observed = try ObservedStore(redis.url, limits: quick)
        #expect(await observed.waitUntilConnected())
        do { try await body(redis, raw, observed) } catch { Issue.record(error) }
        await observed.store.stop()
        raw.stop()
        await redis.stop()
        withExtendedLifetime(folder) {}
    }

    /// Writes are refused until `repair`; what was put meanwhile is written then, and a refill is asked for.
    private func expectOutage(
        code: String, observed: ObservedStore, whileRefused: () async throws -> Void = {},
        repair: () async throws -> Void
    ) async throws {
        observed.store.put(Sample.record(2))
        let isNoticed = await eventually {
            if case .refused(let refusal)? = observed.reason { refusal.code == code } else { false }
        }
        #expect(isNoticed, "state is \(observed.store.state)")
        #expect(observed.store.pendingCount == 1)
        try await whileRefused()
        try await repair()
        #expect(await observed.waitUntilConnected())
        #expect(await observed.store.flush(timeout: patience))
        #expect(await eventually { observed.refillCount >= 1 })
        let found = try await observed.store.load()
        #expect(found.map(\.recordID) == [Sample.recordID(1), Sample.recordID(2)])
    }

    @Test("With its memory full, Redis is a reported outage; reading goes on and writes wait for room")
    func outOfMemory() async throws {
        try await withRedis { _, raw, observed in
            observed.store.put(Sample.record(1))
            #expect(await observed.store.flush(timeout: patience))
            try await raw.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
            try await raw.command("CONFIG", "SET", "maxmemory", "1mb")
            try await expectOutage(code: "OOM", observed: observed) {
                let found = try await observed.store.load()
                #expect(found.map(\.recordID) == [Sample.recordID(1)])
            } repair: {
                try await raw.command("CONFIG", "SET", "maxmemory", "0")
            }
            #expect(try await raw.brokenRecords().isEmpty)
        }
    }

    @Test("A read-only replica is a reported outage, until it is primary again")
    func readOnly() async throws {
        try await withRedis { _, raw, observed in
            observed.store.put(Sample.record(1))
            #expect(await observed.store.flush(timeout: patience))
            try await raw.command("REPLICAOF", "127.0.0.1", "1")
            try await expectOutage(code: "READONLY", observed: observed) {
                let found = try await observed.store.load()
                #expect(found.map(\.recordID) == [Sample.recordID(1)])
            } repair: {
                try await raw.command("REPLICAOF", "NO", "ONE")
            }
        }
    }

    @Test("A wrong password is reported without being shown, and the right one works")
    func wrongPassword() async throws {
        try await withRedis { redis, raw, _ in
            try await raw.command("CONFIG", "SET", "requirepass", "right-secret")
            let wrong = try ObservedStore(
                RedisURL(endpoint: redis.url.endpoint, password: .init("wrong-secret")), limits: quick)
            let missing = try ObservedStore(redis.url, limits: quick)
            let right = try ObservedStore(
                RedisURL(endpoint: redis.url.endpoint, password: .init("right-secret"), database: 2), limits: quick)
            #expect(await right.waitUntilConnected())
            for (observed, code) in [(wrong, "WRONGPASS"), (missing, "NOAUTH")] {
                #expect(await eventually { observed.reason != nil })
                guard case .refused(let refusal)? = observed.reason else {
                    Issue.record("state is \(observed.store.state)")
                    continue
                }
                #expect(refusal.code == code)
                #expect(!"\(observed.store.state)".contains("secret"))
                await observed.store.stop()
            }
            await right.store.stop()
        }
    }

    @Test("A store starts without Redis, and writes all that waited once Redis is there")
    func startsWithoutRedis() async throws {
        let folder = try TemporaryFolder()
        let url = RedisURL(endpoint: .unixSocket(path: folder.path + "/redis.sock"))
        let observed = try ObservedStore(url, limits: quick)
        for number in 0..<500 { observed.store.put(Sample.record(number)) }
        #expect(await eventually { if case .unreachable? = observed.reason { true } else { false } })
        #expect(await !observed.store.flush(timeout: .milliseconds(1)))
        await #expect(throws: RedisError.self) { try await observed.store.load() }
        let redis = try await EmbeddedRedis.start(in: folder.path)
        #expect(await observed.store.flush(timeout: patience))
        #expect(observed.refillCount == 1)
        #expect(try await observed.store.load().count == 500)
        await observed.store.stop()
        #expect(!observed.store.put(Sample.record(1)))
        await #expect(throws: RedisError.stopped) { try await observed.store.load() }
        await redis.stop()
    }

    @Test("Redis killed amid writes leaves no half record, is started again, and a refill is asked for")
    func killedAmidWrites() async throws {
        try await withRedis { redis, raw, observed in
            let records = (0..<1_500).map { Sample.record($0, owner: $0 % 50, size: 700) }
            let child = try #require(redis.processID)
            for record in records { observed.store.put(record) }
            #expect(await eventually { observed.writes("accepted") > 200 })
            kill(child, SIGKILL)
            #expect(await eventually { observed.refillCount >= 1 })
            #expect(redis.processID != child)
            #expect(await observed.store.flush(timeout: patience))
            #expect(try await raw.brokenRecords() == [])
            for record in records { observed.store.put(record) }
            #expect(await observed.store.flush(timeout: patience))
            let loaded = try await observed.store.load()
            #expect(loaded.map(\.frame) == records.sorted { $0.recordID < $1.recordID }.map(\.frame))
            let reasons = observed.states.withLock { $0 }
            #expect(reasons.first == .connected && reasons.last == .connected && reasons.count >= 3)
        }
    }

    @Test("What was dropped over the queue's bound is asked for again")
    func asksForDropped() async throws {
        let folder = try TemporaryFolder()
        var limits = quick
        limits.pendingWrites = 10
        let observed = try ObservedStore(
            RedisURL(endpoint: .unixSocket(path: folder.path + "/redis.sock")), limits: limits)
        let taken = (0..<15).map { observed.store.put(Sample.record($0)) }
        #expect(taken.count { $0 } == 10)
        #expect(observed.writes("dropped") == 5)
        let redis = try await EmbeddedRedis.start(in: folder.path)
        #expect(await eventually { observed.refillCount >= 1 })
        #expect(await observed.store.flush(timeout: patience))
        let tooLong = Sample.record(1, size: limits.frameBytes + 1)
        #expect(!observed.store.put(tooLong))
        await observed.store.stop()
        await redis.stop()
    }

    @Test(
        "Whoever answers with junk is reported as no Redis",
        arguments: [
            "HTTP/1.1 400 Bad Request\r\n\r\n", "$-7\r\n", "*2147483647\r\n",
            "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "$5\r\nabcdefgh", "\0\0\0\0",
            ":1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
        ])
    func junk(answer: String) async throws {
        let server = try await ImpostorServer(answer: Array(answer.utf8))
        let observed = try ObservedStore(server.url, limits: quick)
        observed.store.put(Sample.record(1))
        #expect(await eventually { observed.reason != nil })
        #expect(observed.store.state != .connected)
        #expect(observed.store.pendingCount == 1)
        await observed.store.stop()
        await server.stop()
    }

    @Test("Redis emptied under a connection that stands is noticed, and a refill is asked for, by each store on it")
    func flushed() async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        let raw = try RawRedis(redis.url)
        var limits = quick
        limits.pingInterval = 50_000_000
        limits.refillInterval = 10_000_000
        let stores = try (0..<2).map { _ in try ObservedStore(redis.url, limits: limits) }
        for observed in stores { #expect(await observed.waitUntilConnected()) }
        stores[0].store.put(Sample.record(1))
        #expect(await stores[0].store.flush(timeout: patience))
        try await raw.command("FLUSHALL")
        for observed in stores { #expect(await eventually { observed.refillCount >= 1 }) }
        #expect(stores.allSatisfy { $0.store.state == .connected })
        for observed in stores { await observed.store.stop() }
        raw.stop()
        await redis.stop()
    }

    @Test("A Redis that stops taking writes is found out though nobody writes")
    func idleRefusal() async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        let raw = try RawRedis(redis.url)
        var limits = quick
        limits.pingInterval = 50_000_000
        let observed = try ObservedStore(redis.url, limits: limits)
        #expect(await observed.waitUntilConnected())
        try await raw.command("REPLICAOF", "127.0.0.1", "1")
        let isNoticed = await eventually {
            if case .refused(let refusal)? = observed.reason { refusal.code == "READONLY" } else { false }
        }
        #expect(isNoticed, "state is \(observed.store.state)")
        try await raw.command("REPLICAOF", "NO", "ONE")
        #expect(await observed.waitUntilConnected())
        await observed.store.stop()
        raw.stop()
        await redis.stop()
    }

    @Test("Whoever accepts and never answers is timed out")
    func silence() async throws {
        let server = try await ImpostorServer(answer: [])
        let observed = try ObservedStore(server.url, limits: quick)
        #expect(await eventually { if case .timedOut? = observed.reason { true } else { false } })
        await observed.store.stop()
        await server.stop()
    }
}
