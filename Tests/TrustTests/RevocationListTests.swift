import Digest
import Records
import Testing
import Trust

private let now = TrustWorld.now

@Suite("The list of what is revoked")
struct RevocationListTests {
    private let world = TrustWorld()

    /// Hands the notices over one by one; a refusal is part of the game.
    private func list(_ notices: [RevocationNotice], atWall wall: Int64 = now) -> RevocationList {
        var list = RevocationList()
        for notice in notices {
            _ = try? list.insert(notice, anchor: world.anchor, verifier: world.verifier, atWall: wall)
        }
        return list
    }

    private func ids(_ list: RevocationList) -> [String] { list.notices.map { "\($0.id)" } }

    /// Notices of two revocation keys and the root, among them revocations of keys, now or later.
    private func notices(_ generator: inout SeededGenerator) -> [RevocationNotice] {
        (0..<40).map { _ in
            let signer = [world.revoker, world.otherRevoker, world.root].randomElement(using: &generator) ?? world.root
            let digest = BLAKE2b.digest([UInt8.random(in: 0..<6, using: &generator)])
            var subjects: [RevocationSubject] = [
                .token(TokenID(digest)), .peer(PeerID(digest)), .introduction(IntroductionID(digest)),
            ]
            if signer.publicKey == world.root.publicKey, Int.random(in: 0..<4, using: &generator) == 0 {
                let key = Bool.random(using: &generator) ? world.revoker : world.otherRevoker
                subjects = [.revocationKey(key.publicKey)]
            }
            let subject = subjects.randomElement(using: &generator) ?? subjects[0]
            let notBefore = now + Int64.random(in: -50...50, using: &generator)
            var until = notBefore + Int64.random(in: 1...100, using: &generator)
            if case .revocationKey = subject { until = now + subject.longestRevocation }
            return world.notice(subject, by: signer, notBefore: notBefore, until: until)
        }
    }

    @Test("Any order of the same notices, with repetitions, gives the same list", arguments: 0..<UInt64(60))
    func anyOrder(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let all = notices(&generator)
        let reference = list(all)
        for _ in 0..<4 {
            let repeated = all + all.shuffled(using: &generator).prefix(10)
            let other = list(repeated.shuffled(using: &generator))
            #expect(ids(other) == ids(reference), "seed \(seed)")
            #expect(other.digest == reference.digest, "seed \(seed)")
        }
    }

    @Test("Two lists that exchange what they have are equal, also after a while", arguments: 0..<UInt64(60))
    func union(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let all = notices(&generator)
        let split = Int.random(in: 0...all.count, using: &generator)
        let (one, other) = (list(Array(all[..<split])), list(Array(all[split...])))
        var first = list(one.notices + other.notices)
        var second = list(other.notices + one.notices)
        for wall in [now, now + Int64.random(in: 1...150, using: &generator)] {
            first.expire(atWall: wall)
            second.expire(atWall: wall)
            #expect(ids(first) == ids(second), "seed \(seed) at \(wall)")
            #expect(first.digest == second.digest, "seed \(seed) at \(wall)")
            let fresh = list(all, atWall: wall)
            #expect(ids(first) == ids(fresh), "seed \(seed) at \(wall)")
        }
    }

    @Test("What a revoked key signed is dropped, and refused from then on, whenever it comes")
    func revokedKey() throws {
        let subject = RevocationSubject.peer(PeerID(.zero))
        let signed = world.notice(subject)
        let end = world.notice(.revocationKey(world.revoker.publicKey), by: world.root)
        let other = world.notice(subject, by: world.otherRevoker)
        for order in [[signed, end, other], [end, signed, other], [other, end, signed]] {
            let list = list(order)
            #expect(Set(ids(list)) == ["\(end.id)", "\(other.id)"])
            #expect(list.revocation(of: subject, atWall: now) == other.revocation.value)
        }
        var late = list([end])
        #expect(
            throws: TrustError.revoked(subject: .revocationKey(world.revoker.publicKey), reason: "test")
        ) { try late.insert(signed, anchor: world.anchor, verifier: world.verifier, atWall: now) }
    }

    @Test("A key whose revocation is planned is good until then")
    func plannedKey() {
        let subject = RevocationSubject.peer(PeerID(.zero))
        let planned = world.notice(
            .revocationKey(world.revoker.publicKey), by: world.root, notBefore: now + 10,
            until: now + ValidityLimits.revocationKey)
        var list = list([planned, world.notice(subject)])
        #expect(list.count == 2)
        list.expire(atWall: now + 9)
        #expect(list.revocation(of: subject, atWall: now + 9) != nil)
        list.expire(atWall: now + 10)
        #expect(ids(list) == ["\(planned.id)"])
    }

    @Test("A later revocation can't shorten an earlier one, nor an earlier begin put off what holds")
    func noShortening() {
        let subject = RevocationSubject.peer(PeerID(.zero))
        let real = world.notice(subject, notBefore: now, until: now + 1000)
        let early = world.notice(subject, notBefore: now - 1000, until: now + 1)
        let late = world.notice(subject, notBefore: now + 900, until: now + 5000)
        let list = list([early, real, late])
        for wall in [now - 1, now, now + 500, now + 950, now + 4999] {
            #expect(list.revocation(of: subject, atWall: wall) != nil, "\(wall)")
        }
        #expect(list.revocation(of: subject, atWall: now + 5000) == nil)
    }

    @Test("A full share keeps what ends last, in any order, and others' shares keep all")
    func full() throws {
        let count = RevocationList.capacity + 3
        let flood = (0..<count).map { index in
            world.notice(
                .peer(PeerID(BLAKE2b.digest([UInt8(index & 255), UInt8(index >> 8)]))), until: now + 10 + Int64(index))
        }
        let other = world.notice(.token(TokenID(.zero)), by: world.otherRevoker, until: now + 1)
        let root = world.notice(.token(TokenID(.zero)), by: world.root, until: now + 1)
        let up = list([other, root] + flood)
        let down = list(flood.reversed() + [root, other])
        #expect(up.count == RevocationList.capacity + 2)
        #expect(up.digest == down.digest)
        #expect(up.contains(other.id) && up.contains(root.id))
        #expect(flood.prefix(3).allSatisfy { !up.contains($0.id) })
        #expect(flood.suffix(3).allSatisfy { up.contains($0.id) })
    }

    @Test("What has ended is not taken in, and is no error")
    func ended() throws {
        var list = RevocationList()
        let notice = world.notice(.peer(PeerID(.zero)), until: now + 1)
        #expect(
            try list.insert(notice, anchor: world.anchor, verifier: world.verifier, atWall: now + 1) == false)
        #expect(list.isEmpty)
    }
}
