import Testing

@testable import EnginePool

struct EnginePoolTests {
    private let timeouts = PoolTimeouts()
    private let start = PoolTime(monotonic: 1_000_000, wall: 1_700_000_000_000)

    private func later(_ milliseconds: Int64) -> PoolTime {
        PoolTime(monotonic: start.monotonic + milliseconds, wall: start.wall + milliseconds)
    }

    private func key(_ worker: String, rank: UInt32 = 0, source: String = "00000000000000aa") -> PoolKey {
        PoolKey(source: source, worker: worker, rank: rank)
    }

    private func publish(
        _ pool: inout EnginePool, _ key: PoolKey, model: String = "m", step: UInt64? = nil, body: Int = 8,
        caller: String? = nil, at now: PoolTime? = nil
    ) throws {
        let publication = Publication(
            model: model, accelerator: "cuda", trainingStep: step, body: [UInt8](repeating: 1, count: body))
        _ = try pool.publish(key, publication, status: 0, updatedAt: 0, caller: caller, now: now ?? start)
    }

    private func update(
        _ pool: inout EnginePool, _ key: PoolKey, _ status: PoolStatus = .ready, caller: String? = nil,
        at now: PoolTime? = nil
    ) throws {
        _ = try pool.update(key, status: status, load: nil, caller: caller, now: now ?? start)
    }

    private func workers(_ pool: EnginePool, at now: PoolTime, _ change: (inout PoolFilter) -> Void = { _ in })
        -> [String]
    {
        var filter = PoolFilter()
        change(&filter)
        return pool.list(filter, now: now).map(\.key.worker)
    }

    // MARK: Life

    @Test("A worker is listed as ready from its first heartbeat until it is silent for longer than the time-out")
    func readyWhileHeard() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        #expect(workers(pool, at: start) { $0.status = .ready } == [])
        try update(&pool, key("a"))
        #expect(workers(pool, at: start) { $0.status = .ready } == ["a"])
        #expect(workers(pool, at: later(timeouts.heartbeat)) { $0.status = .ready } == ["a"])
        #expect(workers(pool, at: later(timeouts.heartbeat + 1)) { $0.status = .ready } == [])
        #expect(workers(pool, at: later(timeouts.heartbeat + 1)) { $0.status = .stale } == ["a"])
    }

    @Test("A heartbeat brings a silent worker back")
    func heartbeatRevives() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        try update(&pool, key("a"))
        let silent = later(timeouts.heartbeat * 3)
        try update(&pool, key("a"), at: silent)
        #expect(workers(pool, at: silent) { $0.status = .ready } == ["a"])
    }

    @Test("A worker that was never ready becomes stale and is forgotten like any other")
    func neverReady() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        let stale = later(timeouts.heartbeat + 1)
        #expect(pool.metadata(source: key("a").source, worker: "a", now: stale)?.state.status == 3)
        let gone = later(timeouts.heartbeat + timeouts.forget + 1)
        #expect(workers(pool, at: gone) == [])
        #expect(pool.metadata(source: key("a").source, worker: "a", now: gone) == nil)
        let ended = pool.sweep(now: gone)
        #expect(ended == [key("a")])
        #expect(pool.count == 0)
        #expect(pool.bytes == 0)
    }

    @Test("A worker that says it is stale is forgotten an hour later, and can't be updated from then on")
    func staleEnds() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        try update(&pool, key("a"), .stale)
        try update(&pool, key("a"), .stale, at: later(1))
        #expect(throws: PoolRefusal.unknown(key("a"))) {
            try update(&pool, key("a"), at: later(timeouts.forget + 2))
        }
    }

    @Test("An unknown worker is refused in the public servers' words")
    func unknownWorker() {
        var pool = EnginePool()
        #expect(throws: PoolRefusal.unknown(key("w", rank: 3))) { try update(&pool, key("w", rank: 3)) }
        #expect(
            PoolRefusal.unknown(key("w", rank: 3)).description
                == "rank 3 not found in source '00000000000000aa' worker 'w'")
    }

    @Test("What is published is kept as it was sent; a heartbeat stamps the server's time")
    func stamps() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        #expect(pool.entry(key("a"))?.state.updatedAt == 0)
        try update(&pool, key("a"), at: later(5))
        #expect(pool.entry(key("a"))?.state.updatedAt == start.wall + 5)
        try publish(&pool, key("a"), at: later(9))
        #expect(pool.entry(key("a"))?.state.status == 0)
    }

    @Test("Versions grow even when the clock goes back")
    func versionsGrow() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        let first = try #require(pool.entry(key("a"))?.state.version)
        try update(&pool, key("a"), at: PoolTime(monotonic: start.monotonic + 1, wall: start.wall - 60_000))
        #expect(try #require(pool.entry(key("a"))?.state.version) > first)
    }

    // MARK: Listing

    @Test("Those heard of last come first, and a limit cuts the rest")
    func order() throws {
        var pool = EnginePool()
        for (offset, name) in ["a", "b", "c"].enumerated() {
            try publish(&pool, key(name))
            try update(&pool, key(name), at: later(Int64(offset)))
        }
        #expect(workers(pool, at: later(9)) == ["c", "b", "a"])
        #expect(workers(pool, at: later(9)) { $0.limit = 2 } == ["c", "b"])
        #expect(workers(pool, at: later(9)) { $0.limit = 0 }.count == 3)
    }

    @Test("Each filter leaves out what it should, and nothing else")
    func filters() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"), model: "Org/M", step: 7)
        try publish(&pool, key("b", rank: 1), model: "org/m")
        try publish(&pool, key("c", source: "00000000000000bb"), model: "org/m", step: 9)
        try update(&pool, key("b", rank: 1), at: later(5))
        #expect(workers(pool, at: later(9)) { $0.source = "00000000000000bb" } == ["c"])
        #expect(workers(pool, at: later(9)) { $0.source = "nowhere" } == [])
        #expect(workers(pool, at: later(9)) { $0.model = "Org/M" } == ["a"])
        #expect(workers(pool, at: later(9)) { $0.rank = 1 } == ["b"])
        #expect(workers(pool, at: later(9)) { $0.trainingStep = 8 } == ["c"])
        #expect(workers(pool, at: later(9)) { $0.trainingStep = 0 }.sorted() == ["a", "c"])
        #expect(workers(pool, at: later(9)) { $0.updatedAt = start.wall + 5 } == ["b"])
        #expect(workers(pool, at: later(9)) { $0.updatedAt = start.wall + 6 } == [])
        #expect(workers(pool, at: later(9)) { $0.status = .unknown }.sorted() == ["a", "c"])
    }

    @Test("Several ranks of one worker are listed once, as the lowest, and match by any of their states")
    func ranks() throws {
        var pool = EnginePool()
        try publish(&pool, key("a", rank: 2))
        try publish(&pool, key("a", rank: 1))
        try update(&pool, key("a", rank: 1), .stale)
        try update(&pool, key("a", rank: 2), .ready)
        var filter = PoolFilter()
        filter.status = .ready
        #expect(pool.list(filter, now: start).map(\.key) == [key("a", rank: 1)])
        #expect(pool.metadata(source: key("a").source, worker: "a", now: start)?.entry.key.rank == 1)
    }

    @Test("Names that look alike and differ in bytes are different workers")
    func lookAlikes() throws {
        var pool = EnginePool()
        try publish(&pool, key("\u{E9}"))
        try publish(&pool, key("e\u{301}"))
        #expect(pool.count == 2)
    }

    // MARK: Owners and bounds

    @Test("Another caller can neither publish over a record nor change its state, until it is forgotten")
    func owners() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"), caller: "one")
        #expect(throws: PoolRefusal.notOwner(key("a"))) { try update(&pool, key("a"), .stale, caller: "two") }
        #expect(throws: PoolRefusal.notOwner(key("a"))) { try publish(&pool, key("a"), caller: "two") }
        try update(&pool, key("a"), caller: "one")
        let gone = later(timeouts.heartbeat + timeouts.forget + 1)
        try publish(&pool, key("a"), caller: "two", at: gone)
        #expect(pool.entry(key("a"))?.owner == "two")
    }

    @Test("What was published when nobody was asked has no owner, and belongs to whoever publishes it again")
    func withoutOwner() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        try update(&pool, key("a"), caller: "one")
        try publish(&pool, key("a"), caller: "one")
        #expect(pool.entry(key("a"))?.owner == "one")
    }

    @Test("Workers and bytes are bounded; what takes the place of something smaller counts once")
    func bounds() throws {
        var limits = PoolLimits()
        limits.workers = 2
        limits.bodyBytes = 100
        var pool = EnginePool(limits: limits)
        try publish(&pool, key("a"), body: 60)
        #expect(throws: PoolRefusal.tooManyBytes(limit: 100)) { try publish(&pool, key("b"), body: 41) }
        try publish(&pool, key("a"), body: 90)
        try publish(&pool, key("b"), body: 10)
        #expect(pool.bytes == 100)
        #expect(throws: PoolRefusal.tooManyWorkers(limit: 2)) { try publish(&pool, key("c"), body: 0) }
        #expect(throws: PoolRefusal.tooLong(what: "worker_id", bytes: 257, limit: 256)) {
            try publish(&pool, key(String(repeating: "w", count: 257)))
        }
    }

    // MARK: Other servers

    @Test("What another server wrote counts where it is newer, whole or its state alone")
    func adoption() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"))
        var entry = try #require(pool.entry(key("a")))
        let isSameTaken = pool.adopt(entry)
        #expect(!isSameTaken)
        entry.state.version += 1
        entry.publication.model = "other"
        let isNewerTaken = pool.adopt(entry)
        #expect(isNewerTaken)
        #expect(pool.entry(key("a"))?.publication.model == "other")
        let state = PoolState(status: 2, updatedAt: 9, version: entry.state.version + 1)
        let taken = [
            pool.adopt(state, of: key("a"), heard: 5), pool.adopt(state, of: key("a"), heard: 6),
            pool.adopt(state, of: key("nobody"), heard: 5),
        ]
        #expect(taken == [true, false, false])
        #expect(pool.entry(key("a"))?.heard == 5)
    }

    @Test("Figures count by what is true now")
    func figures() throws {
        var pool = EnginePool()
        try publish(&pool, key("a"), model: "x")
        try publish(&pool, key("b"), model: "y")
        try update(&pool, key("a"))
        #expect(pool.tally(now: start).byStatus == [.ready: 1, .unknown: 1])
        let tally = pool.tally(now: later(timeouts.heartbeat + 1))
        #expect(tally.byStatus == [.stale: 2])
        #expect(tally.models == 2)
        #expect(tally.bytes == 16)
    }
}
