import Digest
import Records
import Testing

@Suite("The encoding of records")
struct RecordCodingTests {
    /// A value comes back; no strict prefix of its bytes and nothing behind them is taken.
    private func check<Value: WireCodable & Equatable>(_ value: Value) {
        let bytes = value.encoded
        #expect((try? Value(decoding: bytes)) == value)
        for count in 0..<bytes.count {
            #expect(throws: WireError.self, "\(Value.self) cut to \(count) of \(bytes.count) bytes") {
                try Value(decoding: Array(bytes[..<count]))
            }
        }
        #expect(throws: WireError.trailing(count: 1)) { try Value(decoding: bytes + [0]) }
    }

    @Test("Each record comes back; what is cut short or too long is refused")
    func records() throws {
        check(RecordSamples.version)
        check(RecordSamples.validity)
        check(RecordSamples.endpoints)
        check(RecordSamples.identity)
        check(RecordSamples.grant)
        check(RecordSamples.announcement)
        check(RecordSamples.introduction)
        check(RecordSamples.beacon)
        check(RecordSamples.leaseGrant)
        check(RecordSamples.someChunks)
        check(try RecordSamples.manifest())
        check(try #require(RecordSamples.chain))
        check(try #require(RecordSamples.chain).certificate.value)
        check(try #require(RecordSamples.peerRecord))
        check(try #require(RecordSamples.proof))
        check(try #require(RecordSamples.frame))
        check(RecordSamples.revocation)
        check(try #require(RecordSamples.revocationGrant))
        #expect(RecordSamples.notices.count == 2)
        for notice in RecordSamples.notices { check(notice) }
        let chain = try #require(RecordSamples.chain)
        check(BootstrapAnswer(nonce: [1, 2], chain: chain, endpoints: RecordSamples.endpoints, time: -1))
    }

    @Test("Each control message comes back; what is cut short or too long is refused")
    func messages() {
        for message in RecordSamples.messages { check(message) }
    }

    @Test("Optional fields come back when they are not there")
    func absentFields() {
        let wanting = Announcement(
            version: RecordSamples.version, validity: RecordSamples.validity, identity: RecordSamples.identity, rank: 0,
            state: .wanting, manifest: nil, introduction: nil, coverageEighths: 0, totalBytes: 0, lanes: [], slots: 0,
            deviceKind: "")
        check(wanting)
    }

    @Test("A bootstrap request has exactly 64 bytes, and nothing else is one")
    func bootstrapRequest() throws {
        let nonce = (0..<BootstrapRequest.nonceSize).map { UInt8($0) }
        let request = try #require(BootstrapRequest(cluster: RecordSamples.grant.cluster, nonce: nonce))
        #expect(request.encoded.count == WireLimits.bootstrapRequest)
        check(request)
        for index in 0..<8 {
            var bytes = request.encoded
            bytes[index] ^= 1
            #expect(throws: WireError.self, "byte \(index)") { try BootstrapRequest(decoding: bytes) }
        }
        #expect(BootstrapRequest(cluster: RecordSamples.grant.cluster, nonce: nonce + [0]) == nil)
        #expect(BootstrapRequest(cluster: RecordSamples.grant.cluster, nonce: []) == nil)
    }

    @Test("Another magic, wire version or purpose is no frame")
    func frameHeader() throws {
        let bytes = try #require(RecordSamples.frame).encoded
        for (index, value) in [(0, 0), (1, 0), (2, 0), (2, 2), (3, 0), (3, 200)] as [(Int, UInt8)] {
            var changed = bytes
            changed[index] = value
            #expect(throws: WireError.self) { try SignedFrame(decoding: changed) }
        }
    }

    @Test("A message with a tag that nobody gave out is refused")
    func unknownTags() {
        let known = Set(RecordSamples.messages.compactMap(\.encoded.first))
        for tag in (0...255).map({ UInt8($0) }) where !known.contains(tag) {
            #expect(throws: WireError.unknownValue(field: "message tag", value: UInt64(tag))) {
                try ControlMessage(decoding: [tag] + [UInt8](repeating: 0, count: 64))
            }
        }
    }

    @Test(
        "A host that could break out of an endpoint is refused",
        arguments: ["", "a b", "a/b", "a\n", "*", "é", "a;b"])
    func badHost(host: String) {
        let endpoints = Endpoints(host: host, bootstrapPort: 1, controlPort: 2, gossipPort: 3)
        #expect(throws: WireError.malformed(field: "host")) { try Endpoints(decoding: endpoints.encoded) }
    }

    @Test("Text that is not UTF-8, a boolean of 2 and coverage of 9 eighths are refused")
    func malformedFields() throws {
        var writer = WireWriter()
        writer.write([0xFF] as [UInt8])
        #expect(throws: WireError.malformed(field: "model")) { try SourceIdentity(decoding: writer.bytes) }
        var record = try #require(RecordSamples.peerRecord).encoded
        record[record.count - 1] = 2
        #expect(throws: WireError.unknownValue(field: "departing", value: 2)) { try PeerRecord(decoding: record) }
        let over = Announcement(
            version: RecordSamples.version, validity: RecordSamples.validity, identity: RecordSamples.identity, rank: 0,
            state: .live, manifest: nil, introduction: nil, coverageEighths: 9, totalBytes: 0, lanes: [], slots: 0,
            deviceKind: "")
        #expect(throws: WireError.malformed(field: "coverage")) { try Announcement(decoding: over.encoded) }
    }
}

@Suite("Counts that lie")
struct LyingCountTests {
    /// Every four bytes of every sample become the largest count in turn; nothing may be taken that wasn't there, and nothing
    /// may be reserved for it: the test would not end on a machine of any size.
    @Test("A count of four billion anywhere neither traps nor is believed")
    func everywhere() throws {
        let samples =
            try [RecordSamples.manifest().encoded] + RecordSamples.messages.map(\.encoded)
            + [#require(RecordSamples.frame).encoded, #require(RecordSamples.peerRecord).encoded]
        for (number, sample) in samples.enumerated() {
            for start in 0..<max(sample.count - 4, 0) {
                var lying = sample
                for index in start..<start + 4 { lying[index] = 0xFF }
                switch number {
                case 0: _ = try? Manifest(decoding: lying)
                case samples.count - 2: _ = try? SignedFrame(decoding: lying)
                case samples.count - 1: _ = try? PeerRecord(decoding: lying)
                default: _ = try? ControlMessage(decoding: lying)
                }
            }
        }
    }

    @Test("Each bounded count is refused by name when it is over its bound")
    func bounds() {
        var writer = WireWriter()
        writer.write(UInt32(WireLimits.framesInMessage + 1))
        #expect(throws: tooLarge("frames", WireLimits.framesInMessage)) {
            try ControlMessage(decoding: [21] + writer.bytes)
        }
        writer = WireWriter()
        writer.write(UInt32(WireLimits.recordsInMessage + 1))
        #expect(throws: tooLarge("wanted records", WireLimits.recordsInMessage)) {
            try ControlMessage(decoding: [20] + writer.bytes)
        }
        writer = WireWriter()
        writer.write(UInt32(ManifestLimits.chunks + 1))
        #expect(throws: tooLarge("have-map chunks", ManifestLimits.chunks)) { try ChunkSet(decoding: writer.bytes) }
    }

    private func tooLarge(_ field: String, _ limit: Int) -> WireError {
        .tooLarge(field: field, value: UInt64(limit + 1), limit: UInt64(limit))
    }

    @Test("A count that the bytes can't hold is refused before anything is reserved for it")
    func reservation() {
        var reader = WireReader([0xFF, 0xFF, 0xFF, 0x7F, 1])
        #expect(throws: WireError.truncated(field: "item")) {
            try reader.readArray("items", limit: .max) { (reader) throws(WireError) in
                try reader.read(UInt64.self, "item")
            }
        }
    }
}

@Suite("Validity and versions")
struct ValidityTests {
    @Test("An end beyond all time saturates instead of trapping")
    func overflow() {
        #expect(Validity(issuedAt: .max, term: 1).validUntil == .max)
        #expect(Validity(issuedAt: .max - 5_000, term: Int64.max / 2).validUntil == .max)
        #expect(Validity(issuedAt: .min, term: 1).validUntil == .min + 1 + ValidityLimits.skew)
    }

    @Test("A term that is negative or could overflow is refused")
    func badTerms() {
        for term in [-1, .min, .max, Int64.max / 2 + 1] {
            var writer = WireWriter()
            writer.write(Int64(0))
            writer.write(term)
            #expect(throws: WireError.malformed(field: "term")) { try Validity(decoding: writer.bytes) }
        }
    }

    @Test("A record is acceptable from the skew before its issue until its end, for terms up to the cap")
    func acceptance() {
        let validity = Validity(issuedAt: 100_000, term: 8_000)
        #expect(!validity.isAcceptable(atWall: 100_000 - ValidityLimits.skew - 1))
        #expect(validity.isAcceptable(atWall: 100_000 - ValidityLimits.skew))
        #expect(validity.isAcceptable(atWall: 100_000 + 8_000 + ValidityLimits.skew - 1))
        #expect(!validity.isAcceptable(atWall: 100_000 + 8_000 + ValidityLimits.skew))
        #expect(!Validity(issuedAt: 100_000, term: 0).isAcceptable(atWall: 100_000))
        #expect(Validity(issuedAt: 100_000, term: ValidityLimits.term).isAcceptable(atWall: 100_000))
        #expect(!Validity(issuedAt: 100_000, term: ValidityLimits.term + 1).isAcceptable(atWall: 100_000))
    }

    @Test("A higher incarnation comes after every sequence of a lower one")
    func versions() {
        let sorted = [(1, 9), (2, 0), (2, 1), (3, 0)].map { Version(incarnation: $0.0, sequence: $0.1) }
        #expect(sorted == sorted.shuffled().sorted())
    }
}
