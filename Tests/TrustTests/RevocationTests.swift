import Digest
import Records
import Testing
import Trust

private let now = TrustWorld.now
private let end = now + TrustWorld.day

@Suite("Revocations")
struct RevocationTests {
    private let world = TrustWorld()

    private func refusal(_ notice: RevocationNotice, in list: RevocationList = RevocationList()) -> TrustError? {
        var list = list
        do {
            _ = try list.insert(notice, anchor: world.anchor, verifier: world.verifier, atWall: now)
            return nil
        } catch {
            return error
        }
    }

    private func isTaken(_ notice: RevocationNotice) -> Bool {
        var list = RevocationList()
        return (try? list.insert(notice, anchor: world.anchor, verifier: world.verifier, atWall: now)) == true
    }

    @Test("The root and a granted key may revoke; nobody else, and no changed byte passes")
    func signers() throws {
        let subject = RevocationSubject.peer(PeerID(world.peer.publicKey))
        #expect(refusal(world.notice(subject)) == nil)
        #expect(refusal(world.notice(subject, by: world.root)) == nil)
        #expect(refusal(world.notice(subject, by: world.otherRoot)) == .badSignature(subject: .revocation))
        let disguised = RevocationNotice(
            grant: world.revocationGrant(), revocation: world.notice(subject, by: world.delegate).revocation)
        #expect(refusal(disguised) == .badSignature(subject: .revocation))
        let selfMade = world.notice(subject, grant: world.revocationGrant(by: world.otherRoot))
        #expect(refusal(selfMade) == .badSignature(subject: .revocationGrant))
        let bytes = world.notice(subject).encoded
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x10
            guard let notice = try? RevocationNotice(decoding: changed) else { continue }
            // Some are ended by it, which is no error and no success.
            #expect(!isTaken(notice), "byte \(index)")
        }
    }

    @Test("A grant that was believed once lends nothing to another one of the same key")
    func rememberedGrant() throws {
        var list = RevocationList()
        let first = world.notice(.token(TokenID(.zero)))
        #expect(try list.insert(first, anchor: world.anchor, verifier: world.verifier, atWall: now))
        let honest = world.revocationGrant()
        let longer = RevocationGrant(
            cluster: world.cluster, revocationKey: world.revoker.publicKey, notBefore: now - TrustWorld.day,
            notAfter: now + 2 * TrustWorld.day)
        let forged = SignedPayload(longer, payload: longer.encoded, signature: honest.signature)
        let notice = world.notice(.peer(PeerID(.zero)), grant: forged)
        #expect(refusal(notice, in: list) == .badSignature(subject: .revocationGrant))
    }

    @Test("A revocation for another cluster, of more than its subject's life, or outside its key's life is refused")
    func bounds() {
        let subject = RevocationSubject.introduction(IntroductionID(.zero))
        #expect(refusal(world.notice(subject, cluster: ClusterID(.zero))) == .wrongCluster(subject: .revocation))
        let foreign = world.revocationGrant(cluster: ClusterID(.zero))
        #expect(refusal(world.notice(subject, grant: foreign)) == .wrongCluster(subject: .revocationGrant))
        let longest = now + ValidityLimits.introduction
        #expect(refusal(world.notice(subject, until: longest)) == nil)
        let tooLong = TrustError.falseRevocation(claim: "it would hold for longer than its subject can live")
        #expect(refusal(world.notice(subject, until: longest + 1)) == tooLong)
        #expect(refusal(world.notice(subject, until: .max, issuedAt: .min)) == tooLong)
        #expect(
            refusal(world.notice(subject, notBefore: end, until: end))
                == .falseRevocation(claim: "it ends before it begins"))
        let grant = world.revocationGrant(notBefore: now, notAfter: now + 10)
        let outside = TrustError.falseRevocation(claim: "it was issued outside the life of its key")
        #expect(refusal(world.notice(subject, issuedAt: now + 9, grant: grant)) == nil)
        #expect(refusal(world.notice(subject, issuedAt: now - 1, grant: grant)) == outside)
        #expect(refusal(world.notice(subject, issuedAt: now + 10, grant: grant)) == outside)
        let eternal = world.revocationGrant(notBefore: .min, notAfter: .max)
        #expect(
            refusal(world.notice(subject, grant: eternal))
                == .falseRevocation(claim: "its key's life is longer than a revocation key may live"))
    }

    @Test("Only the root may revoke a revocation key, and nobody the root")
    func keys() {
        let key = RevocationSubject.revocationKey(world.revoker.publicKey)
        #expect(refusal(world.notice(key, by: world.root)) == nil)
        #expect(
            refusal(world.notice(key)) == .falseRevocation(claim: "only the root may revoke a revocation key"))
        let root = RevocationSubject.revocationKey(world.root.publicKey)
        #expect(
            refusal(world.notice(root, by: world.root))
                == .falseRevocation(claim: "a root can't be revoked; make a new cluster"))
        let asRoot = RevocationNotice(
            grant: world.revocationGrant(key: world.root),
            revocation: world.notice(.peer(PeerID(.zero)), by: world.root).revocation)
        #expect(refusal(asRoot) == .falseRevocation(claim: "the root needs no grant"))
    }

    @Test(
        "A chain of a revoked token or peer is refused from the revocation's time to its end, though it was believed before"
    )
    func chains() throws {
        let grant = world.grant()
        let chain = world.chain(grant)
        for subject in [RevocationSubject.token(grant.value.id), .peer(chain.peer)] {
            var rules = world.rules
            try rules.check(chain, atWall: now)
            #expect(try rules.insert(world.notice(subject, notBefore: now + 10), atWall: now))
            #expect(try rules.insert(world.notice(subject, notBefore: now + 10), atWall: now) == false)
            try rules.check(chain, atWall: now + 9)
            #expect(rules.willBeRevoked(chain) && !rules.isRevoked(chain, atWall: now + 9))
            let expected = TrustError.revoked(subject: subject, reason: "test")
            #expect(throws: expected) { try rules.check(chain, atWall: now + 10) }
            #expect(throws: expected) { try rules.check(chain, atWall: end - 1) }
            #expect(rules.isRevoked(chain, atWall: now + 10))
            rules.expireRevocations(atWall: end)
            #expect(rules.revocations.count == 0 && rules.revocations.digest == .zero)
            #expect(!rules.willBeRevoked(chain))
        }
    }

    @Test("Others of the token, and other tokens, are not touched")
    func others() throws {
        var rules = world.rules
        let chain = world.chain(world.grant())
        let other = world.grant(life: TrustWorld.hour)
        #expect(try rules.insert(world.notice(.peer(PeerID(world.delegate.publicKey))), atWall: now))
        #expect(try rules.insert(world.notice(.token(other.value.id)), atWall: now))
        try rules.check(chain, atWall: now)
    }

    @Test("A chain can't hide behind another token's name")
    func disguisedToken() throws {
        var rules = world.rules
        let grant = world.grant()
        #expect(try rules.insert(world.notice(.token(grant.value.id)), atWall: now))
        #expect(throws: TrustError.tokenMismatch) {
            try rules.check(world.chain(grant, token: TokenID(.zero)), atWall: now)
        }
    }

    @Test("Introductions end with their own revocation, their author's, and that of the token they were made with")
    func introductions() throws {
        let grant = world.grant()
        let chain = world.chain(grant, notAfter: now + TrustWorld.hour)
        let proof = world.proof(world.introduction(token: grant.value.id), by: chain)
        let id = proof.introduction.value.id
        for subject in [RevocationSubject.introduction(id), .peer(chain.peer), .token(grant.value.id)] {
            var rules = world.rules
            let late = now + 2 * TrustWorld.hour
            try rules.check(proof, introduces: world.manifest, of: world.identity, rank: 0, atWall: late)
            // Revoked after the author's certificate is over.
            #expect(try rules.insert(world.notice(subject, notBefore: late), atWall: late))
            #expect(throws: TrustError.revoked(subject: subject, reason: "test")) {
                try rules.check(proof, introduces: world.manifest, of: world.identity, rank: 0, atWall: late)
            }
            #expect(rules.isRevoked(proof, atWall: late) && rules.willBeRevoked(proof))
        }
    }

    @Test("When something changes next is told, and nothing when nothing will")
    func nextChange() throws {
        var rules = world.rules
        #expect(rules.revocations.nextChange(afterWall: now) == nil)
        #expect(try rules.insert(world.notice(.peer(PeerID(.zero)), notBefore: now + 10), atWall: now))
        #expect(rules.revocations.nextChange(afterWall: now) == now + 10)
        #expect(rules.revocations.nextChange(afterWall: now + 10) == end)
        #expect(rules.revocations.nextChange(afterWall: end) == nil)
    }
}
