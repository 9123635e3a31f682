import Records
import Testing

@testable import SnapshotStore

@Suite(.serialized)
struct StoredDataTests {
    /// A Redis of its own, a store on it, and a way past the store.
    private func withStore(
        floorLife: UInt64 = 60_000, _ body: (ObservedStore, RawRedis, EmbeddedRedis) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        let redis = try await EmbeddedRedis.start(in: folder.path)
        let raw = try RawRedis(redis.url)
        let observed = try ObservedStore(redis.url, floorLife: floorLife)
        #expect(await observed.waitUntilConnected())
        do { try await body(observed, raw, redis) } catch { Issue.record(error) }
        await observed.store.stop()
        raw.stop()
        await redis.stop()
        withExtendedLifetime(folder) {}
    }

    private func key(_ name: String) -> String { StoreKeys(cluster: Sample.cluster).prefix.text + name }

    @Test("What was put is loaded, byte for byte, with its remaining life")
    func loadsWhatWasPut() async throws {
        try await withStore { observed, _, _ in
            let records = (0..<1_000).map { Sample.record($0, owner: $0 % 7, size: $0 % 500) }
            for record in records { #expect(observed.store.put(record)) }
            #expect(await observed.store.flush(timeout: patience))
            let loaded = try await observed.store.load()
            #expect(loaded.map(\.recordID) == records.map(\.recordID).sorted())
            let byID = Dictionary(uniqueKeysWithValues: loaded.map { ($0.recordID, $0) })
            for record in records {
                let found = try #require(byID[record.recordID])
                #expect(found.frame == record.frame && found.owner == record.owner && found.version == record.version)
                #expect(found.kind == record.kind)
                #expect((1...record.remainingLife).contains(found.remainingLife))
            }
            #expect(observed.writes("accepted") == 1_000)
            #expect(observed.refillCount == 0)
        }
    }

    @Test("The newest version stays, whatever order two servers write in, also above 2^53")
    func keepsNewest() async throws {
        try await withStore { observed, _, redis in
            let other = try ObservedStore(redis.url)
            var generator = SeededGenerator(seed: 7)
            let numbers: [UInt64] = [0, 1, 1 << 53, 1 << 53 + 1, 1 << 53 + 2, .max - 1, .max]
            var versions = numbers.flatMap { incarnation in
                numbers.map { Version(incarnation: incarnation, sequence: $0) }
            }
            versions.removeLast(3)
            for number in 0..<20 {
                for (index, version) in versions.shuffled(using: &generator).enumerated() {
                    let store = index.isMultiple(of: 2) ? observed.store : other.store
                    store.put(Sample.record(number, version: version))
                }
            }
            #expect(await observed.store.flush(timeout: patience))
            #expect(await other.store.flush(timeout: patience))
            let loaded = try await other.store.load()
            #expect(loaded.count == 20)
            for record in loaded {
                let expected = Version(incarnation: .max, sequence: 1 << 53 + 1)
                #expect(record.version == expected)
            }
            await other.store.stop()
        }
    }

    @Test("Each script call in a shuffled order answers accepted, equal or stale as compare-and-set must")
    func answersCompareAndSet() async throws {
        try await withStore { _, raw, redis in
            let keys = StoreKeys(cluster: Sample.cluster)
            let calls = StoreCalls(keys: keys, floorLife: 60_000, longestLife: 1 << 40)
            var generator = SeededGenerator(seed: 11)
            let base: UInt64 = 1 << 53
            let order = (0..<200).map { _ in base + UInt64.random(in: 0..<50, using: &generator) }
            let answers = try await raw.onThread { [url = redis.url] () throws -> [RedisReply] in
                let session = try StoreSession(url, keys: keys)
                return try order.map { sequence in
                    let record = Sample.record(1, version: Version(incarnation: base, sequence: sequence))
                    let write = PendingWrite(
                        recordID: record.recordID, version: record.version, change: .put(record, deadline: .max))
                    return try session.evaluate([calls.call(for: write, now: 0)])[0]
                }
            }
            var highest: UInt64 = 0
            let expected = order.map { sequence -> RedisReply in
                defer { highest = max(highest, sequence) }
                return .integer(sequence > highest ? 1 : sequence == highest ? 2 : 0)
            }
            #expect(answers == expected)
        }
    }

    @Test("The floor refuses older versions after a removal, and the removed one too")
    func floorHoldsAfterRemoval() async throws {
        try await withStore { observed, _, _ in
            let store = observed.store
            func version(_ sequence: UInt64) -> Version { Version(incarnation: 1, sequence: sequence) }
            store.put(Sample.record(1, version: version(5)))
            #expect(await store.flush(timeout: patience))
            store.remove(Sample.recordID(1), version: version(5))
            #expect(await store.flush(timeout: patience))
            for sequence: UInt64 in [4, 5] {
                store.put(Sample.record(1, version: version(sequence)))
                #expect(await store.flush(timeout: patience))
            }
            let found = try await store.load()
            #expect(found.isEmpty)
            #expect(observed.writes("stale") == 2)
            store.remove(Sample.recordID(1), version: version(3))
            store.put(Sample.record(1, version: version(6)))
            #expect(await store.flush(timeout: patience))
            store.remove(Sample.recordID(1), version: version(5))
            #expect(await store.flush(timeout: patience))
            let later = try await store.load()
            #expect(later.map(\.version) == [version(6)])
        }
    }

    @Test("The floor refuses older versions after a record expired, and takes the same version again")
    func floorHoldsAfterExpiry() async throws {
        try await withStore { observed, _, _ in
            let store = observed.store
            func version(_ sequence: UInt64) -> Version { Version(incarnation: 1, sequence: sequence) }
            store.put(Sample.record(1, version: version(5), life: 20))
            #expect(await store.flush(timeout: patience))
            let isGone = try await eventually { try await store.load().isEmpty }
            #expect(isGone)
            store.put(Sample.record(1, version: version(4)))
            #expect(await store.flush(timeout: patience))
            #expect(observed.writes("stale") == 1)
            let found = try await store.load()
            #expect(found.isEmpty)
            store.put(Sample.record(1, version: version(5)))
            #expect(await store.flush(timeout: patience))
            let later = try await store.load()
            #expect(later.map(\.version) == [version(5)])
            store.put(Sample.record(1, version: version(6), life: 0))
            #expect(await store.flush(timeout: patience))
            let last = try await store.load()
            #expect(last.isEmpty)
        }
    }

    @Test("Every key has an expiry, and an index outlives the records in it")
    func everyKeyExpires() async throws {
        try await withStore { observed, raw, _ in
            let store = observed.store
            for number in 0..<50 { store.put(Sample.record(number, owner: number % 3, life: 100_000 + UInt64(number))) }
            store.put(Sample.record(50, life: 900_000))
            #expect(await store.flush(timeout: patience))
            store.remove(Sample.recordID(1), version: Version(incarnation: 9, sequence: 9))
            store.remove(Sample.recordID(77), version: Version(incarnation: 9, sequence: 9))
            #expect(await store.flush(timeout: patience))
            store.renew(owner: Sample.owner(2), remainingLife: 500_000)
            #expect(await store.flush(timeout: patience))
            let names = try await raw.keys()
            // 50 records, 52 floors, 3 sets of owners, and the index, the changes and the probe.
            #expect(names.count == 108)
            for name in names {
                let life = try #require(try await raw.integer("PTTL", name))
                #expect(life > 0, "\(name)")
                #expect(name.hasPrefix("modelexpress:{c1c1"))
            }
            let indexLife = try #require(try await raw.integer("PTTL", key("index")))
            #expect((890_000...901_000).contains(indexLife))
            let found = try await raw.integer("XLEN", key("changes"))
            #expect(found == 53)
        }
    }

    @Test("A renewal extends the records of one peer, all or those named, and shortens none")
    func renews() async throws {
        try await withStore { observed, _, _ in
            let store = observed.store
            for number in 0..<9 { store.put(Sample.record(number, owner: number / 3, life: 100_000)) }
            #expect(await store.flush(timeout: patience))
            store.renew(owner: Sample.owner(0), remainingLife: 700_000)
            store.renew(owner: Sample.owner(1), records: [Sample.recordID(3)], remainingLife: 700_000)
            store.renew(owner: Sample.owner(2), remainingLife: 5)
            #expect(await store.flush(timeout: patience))
            let extended = try await store.load().filter { $0.remainingLife > 500_000 }.map(\.recordID)
            #expect(extended == [0, 1, 2, 3].map(Sample.recordID))
            let found = try await store.load()
            #expect(found.allSatisfy { $0.remainingLife > 50_000 })
            #expect(observed.refillCount == 0)
        }
    }

    @Test("A renewal of records that Redis lost asks for a refill, and renews nobody else's")
    func noticesLoss() async throws {
        try await withStore { observed, _, _ in
            observed.store.put(Sample.record(1, owner: 1))
            #expect(await observed.store.flush(timeout: patience))
            let foreign = [Sample.recordID(1), Sample.recordID(2)]
            observed.store.renew(owner: Sample.owner(2), records: foreign, remainingLife: 900_000)
            #expect(await eventually { observed.refillCount == 1 })
            let found = try await observed.store.load().map { $0.remainingLife < 700_000 }
            #expect(found == [true])
        }
    }

    @Test("Scripts that Redis forgot are sent again")
    func survivesScriptFlush() async throws {
        try await withStore { observed, raw, _ in
            try await raw.command("SCRIPT", "FLUSH")
            for number in 0..<10 { observed.store.put(Sample.record(number)) }
            #expect(await observed.store.flush(timeout: patience))
            let found = try await observed.store.load()
            #expect(found.count == 10)
            #expect(observed.store.state == .connected)
        }
    }

    @Test("A foreign key in a record's place fails that record alone")
    func isolatesForeignKeys() async throws {
        try await withStore { observed, raw, _ in
            let id = Hex.encode(Sample.recordID(1).bytes).text
            try await raw.command("SET", key("r:") + id, "foreign")
            for number in 0..<3 { observed.store.put(Sample.record(number)) }
            #expect(await observed.store.flush(timeout: patience))
            #expect(observed.writes("failed") == 1)
            #expect(observed.writes("accepted") == 2)
        }
    }

    @Test("The index is swept of records that expired without anybody reading it")
    func sweepsIndex() async throws {
        try await withStore { observed, raw, _ in
            for number in 0..<50 { observed.store.put(Sample.record(number, life: 1)) }
            #expect(await observed.store.flush(timeout: patience))
            let size = try await eventually {
                observed.store.put(Sample.record(99, version: Version(incarnation: 2, sequence: 0)))
                _ = await observed.store.flush(timeout: patience)
                return try await raw.integer("ZCARD", key("index")) == 1
            }
            #expect(size)
        }
    }
}

extension [UInt8] {
    var text: String { String(decoding: self, as: UTF8.self) }
}
