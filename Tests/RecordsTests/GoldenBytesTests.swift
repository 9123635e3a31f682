import Digest
import Records
import Testing

/// The wire layout, byte for byte: a change here is a new wire version. The names were computed with Python from the
/// documented layout.
@Suite("The bytes on the wire")
struct GoldenBytesTests {
    @Test("A signed frame is laid out as its documentation says")
    func signedFrame() throws {
        let signature = try #require(RecordSamples.signature)
        let frame = SignedFrame(
            purpose: .beacon, author: PeerID(RecordSamples.digest("peer")), payload: [0xAA, 0xBB], signature: signature)
        let author = Hexadecimal.encode(SHA256.digest(Array("peer".utf8)).bytes)
        let expected = "4d58" + "01" + "05" + author + "02000000" + "aabb" + Hexadecimal.encode(0..<64)
        #expect(Hexadecimal.encode(frame.encoded) == expected)
        #expect(frame.digest.description == "4ae9e19d0359060e1f0136c20df01fc6e1c3be73c80a903f89178205a3d580f8")
    }

    @Test("What is signed is purpose, wire version, cluster and payload")
    func signingBytes() {
        let cluster = ClusterID(RecordSamples.digest("cluster"))
        let bytes = Purpose.announcement.signingBytes(cluster: cluster, payload: [1, 2])
        #expect(bytes == Array("modelexpress/announcement/1".utf8) + [0] + cluster.bytes + [1, 2])
        let all = Purpose.allCases.map { $0.signingBytes(cluster: cluster, payload: []) }
        #expect(Set(all).count == Purpose.allCases.count)
    }

    @Test("An announcement is laid out as ever")
    func announcement() {
        let fields = [
            "7b68e5cf8b010000", "2a00000000000000",  // incarnation, sequence
            "c869e5cf8b010000", "401f000000000000",  // issued at, term
            "09000000", "6f72672f4ec3a46d65", "04000000", "6d61696e", "03",  // model, revision, stage
            "04000000", "62663136", "03000000", "667038",  // dtype, quantisation
            "08000000", "02000000", "04000000",  // parallel sizes
            "03000000", "03",  // rank, state
            "01", RecordSamples.digest("manifest").description,
            "01", RecordSamples.digest("introduction").description,
            "05", "0078a69820000000",  // coverage, total bytes
            "02000000", "01", "04", "0200",  // lanes, slots
            "03000000", "637075",  // device kind
        ]
        #expect(Hexadecimal.encode(RecordSamples.announcement.encoded) == fields.joined())
    }

    @Test("A token's grant is laid out as ever")
    func tokenGrant() {
        let fields = [
            RecordSamples.digest("cluster").description, RecordSamples.digest("delegate").description,
            "05", "02000000", "00000000", "04000000", "6f72672f",  // roles, prefixes
            "005c260500000000", "60ea000000000000", "2c010000",  // life of a certificate, longest term, peers
            "0500000000000000", "00505c18a3010000",
        ]
        #expect(Hexadecimal.encode(RecordSamples.grant.encoded) == fields.joined())
    }

    @Test("A revocation notice is laid out as its documentation says, with a grant and without")
    func revocationNotice() throws {
        let signature = Hexadecimal.encode(0..<64)
        let grant = [
            "50000000", RecordSamples.digest("cluster").description,
            RecordSamples.digest("revocation key").description,
            "0900000000000000", "0038d360ba010000", signature,
        ]
        let revocation = [
            "67000000", RecordSamples.digest("cluster").description,
            "01", RecordSamples.grant.id.description,
            "c08feecf8b010000", "00505c18a3010000", "0068e5cf8b010000",  // not before, until, issued at
            "0a000000", "6cc3a475667420617573", signature,
        ]
        let notices = RecordSamples.notices
        try #require(notices.count == 2)
        let head = "4d585256" + "01"
        #expect(Hexadecimal.encode(notices[0].encoded) == head + "01" + (grant + revocation).joined())
        #expect(Hexadecimal.encode(notices[1].encoded) == head + "00" + revocation.joined())
        #expect(notices[0].id.description == "5caa8b7ea26bdc3a172ce63c62954a9bdd8a8b8ab565c245ee026c0d4cfdb883")
        #expect(notices[1].id.description == "e635ab181f68fd305511da8de1ca0717d6fa30e1fcfa22c55d9973c94e4870db")
        #expect(RevocationNotice.isClaimed(by: notices[0].encoded))
        #expect(!RevocationNotice.isClaimed(by: try #require(RecordSamples.frame).encoded))
    }

    @Test("What can be revoked has numbers that stay, and no other number is taken")
    func revocationSubjects() throws {
        let digest = RecordSamples.digest("subject")
        let subjects: [RevocationSubject] = [
            .token(TokenID(digest)), .peer(PeerID(digest)), .introduction(IntroductionID(digest)),
            .revocationKey(digest),
        ]
        for (index, subject) in subjects.enumerated() {
            #expect(subject.encoded == [UInt8(index + 1)] + digest.bytes)
            #expect(try RevocationSubject(decoding: subject.encoded) == subject)
        }
        for kind: UInt8 in [0, 5, 255] {
            #expect(throws: WireError.unknownValue(field: "revoked kind", value: UInt64(kind))) {
                try RevocationSubject(decoding: [kind] + digest.bytes)
            }
        }
    }

    @Test("A bundle of gossip frames, and the head before it, are laid out as ever")
    func gossipBundle() {
        let bundle = GossipBundle(entries: [.init(hops: 3, frame: [0xAA]), .init(hops: 255, frame: [])])
        #expect(
            Hexadecimal.encode(bundle.encoded)
                == "4d584742" + "01" + "02000000" + "03" + "01000000" + "aa" + "ff" + "00000000")
        #expect(bundle.encoded.count == GossipBundle.headSize + bundle.entries.reduce(0) { $0 + $1.size })
        #expect(Hexadecimal.encode(GossipHead(counter: 258, hops: 7).encoded) == "0201000000000000" + "07")
    }

    @Test("A lease grant is laid out as ever")
    func leaseGrant() {
        let fields = [
            RecordSamples.digest("lease").description, RecordSamples.digest("manifest").description,
            "0900000000000000", "10270000", "0400", "0200", "0600",  // generation, duration, window, slot, slots
            RecordSamples.digest("session").description,
            "02000000",  // lanes: kind, address, port
            "01", "09000000", "6c616e652e736f636b", "0000",
            "04", "08000000", "31302e302e302e37", "4f1f",
            "46000000", "02", "0100000000000080", "2100000000000000",  // have-map: chunks, form, words
        ]
        #expect(Hexadecimal.encode(RecordSamples.leaseGrant.encoded) == fields.joined())
    }

    @Test("Names of things don't change between releases")
    func names() throws {
        let names = try [
            RecordSamples.identity.id.description, RecordSamples.grant.id.description,
            RecordSamples.introduction.id.description, RecordSamples.manifest().id.description,
        ]
        let expected = [
            "b0955f568e1d24c0ba47daa8cfbb794f161fb60bab4b837b84d0d92485f7e602",
            "47d4a240bb1c3ad01967c2838ea0de9c2354a5bf4a7b03aa7a46b2195ed6739f",
            "0dc640982e369ae20a2d4f4433c5baec5a30cb818a05765a3b178ca9c1d46d1f",
            "541490ae7b09f812ba547b5f8b8ef83339989825a79636855178242ad32f6edf",
        ]
        #expect(names == expected)
    }

    @Test("The seeded generator draws the numbers of SplitMix64")
    func splitMix() {
        var generator = SeededGenerator(seed: 1_234_567)
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
        ]
        #expect(expected.map { _ in generator.next() } == expected)
    }
}
