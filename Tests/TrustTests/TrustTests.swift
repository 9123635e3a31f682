import Digest
import Records
import Testing
import Trust

private let now = TrustWorld.now

@Suite("Certificate chains")
struct ChainTests {
    private let world = TrustWorld()

    private func refusal(_ chain: CertificateChain, at wall: Int64 = now) -> TrustError? {
        var rules = world.rules
        do {
            try rules.check(chain, atWall: wall)
            return nil
        } catch {
            return error
        }
    }

    @Test("A chain that a token holder made is believed, from any copy of its bytes")
    func honest() throws {
        let holder = try TokenHolder(anchor: world.anchor, grant: world.grant(), delegate: world.delegate)
        let chain = try holder.certify(peer: PeerID(world.peer.publicKey), curveKey: world.curveKey, atWall: now)
        #expect(refusal(chain) == nil)
        #expect(refusal(try CertificateChain(decoding: chain.encoded)) == nil)
        #expect(chain.certificate.value.notAfter == now + TrustWorld.day)
    }

    @Test("A token of another root is not believed")
    func wrongRoot() throws {
        let foreign = ClusterRoot(signer: world.otherRoot).grant(
            delegatedKey: world.delegate.publicKey, roles: .all, modelPrefixes: [""], certificateLife: TrustWorld.day,
            notBefore: now - 1, notAfter: now + TrustWorld.day)
        #expect(refusal(world.chain(foreign)) == .wrongCluster(subject: .token))
        let disguised = world.otherRoot.sign(world.grant().value, cluster: world.cluster)
        #expect(refusal(world.chain(disguised)) == .badSignature(subject: .token))
        #expect(throws: TrustError.wrongCluster(subject: .token)) {
            try TokenHolder(anchor: world.anchor, grant: foreign, delegate: world.delegate)
        }
    }

    @Test("A token or certificate with any byte changed is not believed")
    func tampered() throws {
        let bytes = world.chain(world.grant()).encoded
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x10
            guard let chain = try? CertificateChain(decoding: changed) else { continue }
            #expect(refusal(chain) != nil, "byte \(index)")
        }
    }

    @Test("A tampered chain is not believed because its honest twin was")
    func rememberedChain() throws {
        var rules = world.rules
        let chain = world.chain(world.grant(roles: [.reader, .relay]), roles: .reader)
        try rules.check(chain, atWall: now)
        let certificate = chain.certificate.value
        let raised = Certificate(
            cluster: certificate.cluster, token: certificate.token, peer: certificate.peer,
            curveKey: certificate.curveKey, roles: [.reader, .relay], notBefore: certificate.notBefore,
            notAfter: certificate.notAfter)
        let forged = CertificateChain(
            grant: chain.grant,
            certificate: SignedPayload(raised, payload: raised.encoded, signature: chain.certificate.signature))
        #expect(throws: TrustError.badSignature(subject: .certificate)) { try rules.check(forged, atWall: now) }
        #expect(throws: Never.self) { try rules.check(chain, atWall: now) }
        #expect(throws: TrustError.expired(subject: .certificate, notAfter: certificate.notAfter)) {
            try rules.check(chain, atWall: certificate.notAfter)
        }
    }

    @Test("A certificate that claims more than its token is not believed")
    func beyondToken() {
        let narrow = world.grant(
            roles: .reader, life: TrustWorld.hour, notBefore: now - 10, notAfter: now + 2 * TrustWorld.hour)
        let end = now + TrustWorld.hour
        #expect(refusal(world.chain(narrow, notAfter: end)) == nil)
        #expect(
            refusal(world.chain(narrow, roles: [.reader, .origin], notAfter: end)) == .exceedsToken(claim: "roles"))
        #expect(refusal(world.chain(narrow, notAfter: end + 1)) == .exceedsToken(claim: "life"))
        #expect(
            refusal(world.chain(narrow, notBefore: now - 11, notAfter: now + 1)) == .exceedsToken(claim: "validity"))
        let short = world.grant(notAfter: now + 1)
        #expect(refusal(world.chain(short, notAfter: now + 2)) == .exceedsToken(claim: "validity"))
        let generous = world.grant(life: .max, notAfter: .max)
        #expect(refusal(world.chain(generous, notAfter: now + TrustWorld.day + 1)) == .exceedsToken(claim: "life"))
        #expect(refusal(world.chain(generous, notBefore: .min, notAfter: .max)) == .exceedsToken(claim: "life"))
    }

    @Test("A certificate for another token, cluster or key is not believed")
    func mismatches() {
        let grant = world.grant()
        #expect(refusal(world.chain(grant, token: TokenID(.zero))) == .tokenMismatch)
        #expect(refusal(world.chain(grant, cluster: ClusterID(.zero))) == .wrongCluster(subject: .certificate))
        #expect(refusal(world.chain(grant, signer: world.otherDelegate)) == .badSignature(subject: .certificate))
        #expect(throws: TrustError.tokenMismatch) {
            try TokenHolder(anchor: world.anchor, grant: grant, delegate: world.otherDelegate)
        }
    }

    @Test("Before its time by more than the skew, and from its end on, a chain is not believed")
    func times() {
        let grant = world.grant(notBefore: now, notAfter: now + TrustWorld.day)
        let chain = world.chain(grant, notBefore: now, notAfter: now + TrustWorld.hour)
        let early = now - ValidityLimits.skew
        #expect(refusal(chain, at: early) == nil)
        #expect(refusal(chain, at: early - 1) == .notYetValid(subject: .token, notBefore: now))
        #expect(refusal(chain, at: now + TrustWorld.hour - 1) == nil)
        #expect(
            refusal(chain, at: now + TrustWorld.hour)
                == .expired(subject: .certificate, notAfter: now + TrustWorld.hour))
        #expect(
            refusal(chain, at: now + TrustWorld.day) == .expired(subject: .token, notAfter: now + TrustWorld.day))
        let late = world.chain(grant, notBefore: now + 60_000, notAfter: now + TrustWorld.hour)
        #expect(refusal(late) == .notYetValid(subject: .certificate, notBefore: now + 60_000))
    }

    @Test("A holder certifies within the token's time and no longer")
    func certifyTimes() throws {
        let grant = world.grant(notBefore: now, notAfter: now + TrustWorld.hour)
        let holder = try TokenHolder(anchor: world.anchor, grant: grant, delegate: world.delegate)
        let peer = PeerID(world.peer.publicKey)
        let chain = try holder.certify(peer: peer, curveKey: world.curveKey, atWall: now + 1000)
        #expect(chain.certificate.value.notAfter == now + TrustWorld.hour)
        #expect(refusal(chain, at: now + 1000) == nil)
        #expect(throws: TrustError.expired(subject: .token, notAfter: now + TrustWorld.hour)) {
            try holder.certify(peer: peer, curveKey: world.curveKey, atWall: now + TrustWorld.hour)
        }
        #expect(throws: TrustError.notYetValid(subject: .token, notBefore: now)) {
            try holder.certify(peer: peer, curveKey: world.curveKey, atWall: now - ValidityLimits.skew - 1)
        }
    }

    @Test("Roles hold for the token's model prefixes only")
    func prefixes() {
        let chain = world.chain(world.grant(roles: [.reader, .relay], prefixes: ["org/", "lab/one"]))
        #expect(TrustRules.permits(chain, .reader, model: "org/model"))
        #expect(TrustRules.permits(chain, .relay, model: "lab/one-b"))
        #expect(!TrustRules.permits(chain, .reader, model: "lab/two"))
        #expect(!TrustRules.permits(chain, .origin, model: "org/model"))
        #expect(!TrustRules.permits(world.chain(world.grant(prefixes: [])), .reader, model: ""))
        #expect(throws: TrustError.notPermitted(role: .origin, model: "org/model")) {
            try TrustRules.require(chain, .origin, model: "org/model")
        }
    }
}

@Suite("Frames and bootstrap answers")
struct FrameTests {
    private let world = TrustWorld()

    private var beacon: Beacon {
        Beacon(
            version: Version(incarnation: 1, sequence: 1), validity: Validity(issuedAt: now, term: 8_000),
            recordSet: .zero, slotsInUse: 0, slots: 0, bytesServed: 0, bytesReceived: 0)
    }

    @Test("A frame of the chain's peer is believed; another author's, another cluster's and a changed one are not")
    func frames() throws {
        let chain = world.chain(world.grant())
        let frame = world.peer.frame(beacon, cluster: world.cluster)
        try world.rules.check(frame, by: chain)
        let wrong = [
            world.delegate.frame(beacon, cluster: world.cluster),
            world.peer.frame(beacon, cluster: ClusterID(.zero)),
            SignedFrame(
                purpose: frame.purpose, author: frame.author, payload: frame.payload + [0], signature: frame.signature),
        ]
        for frame in wrong {
            #expect(throws: TrustError.badSignature(subject: .frame)) { try world.rules.check(frame, by: chain) }
        }
    }

    @Test("A signature for one purpose is worth nothing for another", arguments: Purpose.allCases)
    func purposes(purpose: Purpose) throws {
        let chain = world.chain(world.grant())
        let signed = world.peer.frame(beacon, cluster: world.cluster)
        let frame = SignedFrame(
            purpose: purpose, author: signed.author, payload: signed.payload, signature: signed.signature)
        if purpose == .beacon {
            try world.rules.check(frame, by: chain)
        } else {
            #expect(throws: TrustError.badSignature(subject: .frame)) { try world.rules.check(frame, by: chain) }
        }
    }

    @Test("A bootstrap answer is believed from the peer of its chain alone")
    func bootstrapAnswers() throws {
        var rules = world.rules
        let endpoints = Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3)
        let answer = BootstrapAnswer(
            nonce: [UInt8](repeating: 1, count: 24), chain: world.chain(world.grant()), endpoints: endpoints, time: now)
        try rules.check(world.peer.sign(answer, cluster: world.cluster), atWall: now)
        #expect(throws: TrustError.badSignature(subject: .bootstrapAnswer)) {
            try rules.check(world.delegate.sign(answer, cluster: world.cluster), atWall: now)
        }
        #expect(throws: TrustError.self) {
            try rules.check(world.peer.sign(answer, cluster: world.cluster), atWall: now + TrustWorld.day)
        }
    }
}

@Suite("Introductions")
struct IntroductionTests {
    private let world = TrustWorld()

    private func refusal(
        _ proof: IntroductionProof, manifest: ManifestID? = nil, identity: SourceIdentity? = nil, rank: UInt32 = 0,
        at wall: Int64 = now
    ) -> TrustError? {
        var rules = world.rules
        do {
            try rules.check(
                proof, introduces: manifest ?? world.manifest, of: identity ?? world.identity, rank: rank, atWall: wall)
            return nil
        } catch {
            return error
        }
    }

    @Test("An introduction holds to its own end, after its author's certificate and token are long over")
    func outlivesAuthor() {
        let grant = world.grant(notBefore: now - 1, notAfter: now + TrustWorld.day)
        let chain = world.chain(grant, notAfter: now + TrustWorld.hour)
        let proof = world.proof(world.introduction(token: grant.value.id), by: chain)
        let end = now + ValidityLimits.introduction
        for wall in [now, now + 2 * TrustWorld.hour, now + 10 * TrustWorld.day, end - 1] {
            #expect(refusal(proof, at: wall) == nil)
        }
        #expect(refusal(proof, at: end) == .expired(subject: .introduction, notAfter: end))
        #expect(
            refusal(proof, at: now - ValidityLimits.skew - 1)
                == .notYetValid(subject: .introduction, notBefore: now))
    }

    @Test("An author is judged at the time of the introduction, not of the look at it")
    func judgedAtNotBefore() {
        let grant = world.grant(notBefore: now - TrustWorld.day)
        let late = world.chain(grant, notBefore: now, notAfter: now + TrustWorld.hour)
        let before = world.introduction(token: grant.value.id, notBefore: now - TrustWorld.hour, notAfter: now + 1)
        #expect(
            refusal(world.proof(before, by: late)) == .notYetValid(subject: .certificate, notBefore: now))
        let after = world.introduction(
            token: grant.value.id, notBefore: now + TrustWorld.hour, notAfter: now + 2 * TrustWorld.hour)
        #expect(
            refusal(world.proof(after, by: late), at: now + TrustWorld.hour)
                == .expired(subject: .certificate, notAfter: now + TrustWorld.hour))
    }

    @Test("An introduction of something else is refused, and says what differs")
    func mismatches() {
        let grant = world.grant()
        let chain = world.chain(grant)
        let proof = world.proof(world.introduction(token: grant.value.id), by: chain)
        #expect(refusal(proof) == nil)
        #expect(refusal(proof, manifest: ManifestID(.zero)) == .introductionMismatch(field: "manifest"))
        let other = SourceIdentity(model: "org/model", revision: "v2", stage: .files)
        #expect(refusal(proof, identity: other) == .introductionMismatch(field: "source identity"))
        #expect(refusal(proof, rank: 1) == .introductionMismatch(field: "rank"))
        let foreign = world.proof(world.introduction(token: TokenID(.zero)), by: chain)
        #expect(refusal(foreign) == .introductionMismatch(field: "token"))
        let renamed = Introduction(
            source: world.identity.id, model: "other/model", stage: .files, rank: 0, manifest: world.manifest,
            notBefore: now, notAfter: now + 1, token: grant.value.id)
        #expect(refusal(world.proof(renamed, by: chain)) == .introductionMismatch(field: "source identity"))
    }

    @Test("More than 30 days, also by overflow, are refused")
    func longLife() {
        let grant = world.grant()
        let chain = world.chain(grant)
        let expected = TrustError.introductionMismatch(field: "life of more than 30 days")
        for (notBefore, notAfter) in [(now, now + ValidityLimits.introduction + 1), (.min, .max), (now, .max)] {
            let introduction = world.introduction(token: grant.value.id, notBefore: notBefore, notAfter: notAfter)
            #expect(refusal(world.proof(introduction, by: chain)) == expected)
        }
    }

    @Test("Only an origin for the model may introduce, with its own key")
    func authors() {
        for grant in [world.grant(roles: [.relay, .reader, .server]), world.grant(prefixes: ["lab/"])] {
            let proof = world.proof(world.introduction(token: grant.value.id), by: world.chain(grant))
            #expect(refusal(proof) == .notPermitted(role: .origin, model: "org/model"))
        }
        let grant = world.grant()
        let forged = world.proof(
            world.introduction(token: grant.value.id), by: world.chain(grant), signer: world.delegate)
        #expect(refusal(forged) == .badSignature(subject: .introduction))
        let selfMade = world.proof(
            world.introduction(token: grant.value.id), by: world.chain(grant, signer: world.otherDelegate))
        #expect(refusal(selfMade) == .badSignature(subject: .certificate))
    }
}
