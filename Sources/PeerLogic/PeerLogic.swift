import Digest
package import Mesh
package import Records
import Transfer
package import Trust

/// One peer, whole: mesh, trust, source and target, composed as a value. Events in, effects out.
///
/// The shells run it on one thread; the simulator runs thousands on virtual time. A server is this peer with a store, a tool this
/// peer without content.
package struct PeerLogic: Sendable {
    package let configuration: PeerConfiguration
    package let local: PeerID
    package internal(set) var mesh: Mesh
    var authority: PeerAuthority
    var token: TokenHolder
    let secrets: any PeerSecrets
    var generator: SeededGenerator
    var chain: CertificateChain
    var endpoints: Endpoints?
    var ledger: SourceLedger
    var offers: [ManifestID: Offer] = [:]
    var pulls: [PullID: Pull] = [:]
    var laneOffers: [LaneOffer]
    var isDeparting = false
    var bytesServed: UInt64 = 0
    var bytesReceived: UInt64 = 0
    var lastBootstrapProblem = "no answer yet"
    var firstChannelAt: UInt64?
    var nextCertificate: Int64
    /// When a revocation begins or ceases to hold, milliseconds since 1970.
    var nextRevocation = Int64.max
    var adoptions: [UInt64: Adoption] = [:]
    /// When content was last looked at since a reader disputed it.
    var looks: [ManifestID: ContentLook] = [:]
    /// What this peer's engines want or load, and have told the mesh so, until content takes its place.
    var wishes: [Wish] = []
    /// Whether pulls have not been told yet who offers what now, and when they may be told next.
    var isChoiceStale = false
    var nextChoice: UInt64 = 0
    var nextRequest: UInt64 = 1
    var pullsBegun: UInt64 = 0

    /// Certifies itself with `token`; incarnation is `now`'s wall time.
    ///
    /// - Throws: `TrustError` when the token doesn't hold now.
    package init(
        configuration: PeerConfiguration, token: TokenHolder, secrets: any PeerSecrets,
        verifier: any SignatureVerifier, opening: any FrameOpening = PlainFrameOpening(),
        generator: SeededGenerator, now: Moment
    ) throws(TrustError) {
        self.configuration = configuration
        self.token = token
        self.secrets = secrets
        self.generator = generator
        local = PeerID(secrets.signer.publicKey)
        laneOffers = configuration.laneOffers
        authority = PeerAuthority(
            rules: TrustRules(anchor: token.anchor, verifier: verifier), signer: secrets.signer)
        chain = try token.certify(peer: local, curveKey: secrets.curveKey, atWall: now.wall)
        try authority.rules.check(chain, atWall: now.wall)
        nextCertificate = Self.halfLife(of: chain)
        ledger = SourceLedger(configuration: configuration.ledger, generation: UInt64(max(now.wall, 0)))
        mesh = Mesh(
            local: local, configuration: configuration.mesh, presence: configuration.presence,
            incarnation: UInt64(max(now.wall, 0)), seeds: configuration.seeds,
            generator: SeededGenerator(seed: self.generator.next()), opening: opening)
    }

    package var certificate: Certificate { chain.certificate.value }

    package mutating func handle(_ event: PeerEvent, now: Moment) -> [PeerEffect] {
        var effects: [PeerEffect] = []
        switch event {
        case .start(let endpoints): start(endpoints, now, &effects)
        case .bootstrapAnswered(let address, let request, let answer):
            bootstrapAnswered(address, request, answer, now, &effects)
        case .bootstrapFailed(let address, let reason): bootstrapFailed(address, reason, now, &effects)
        case .hello(let key, let record): run(.hello(curveKey: key, record: record), now, &effects)
        case .message(let peer, let bytes): received(bytes, from: peer, now, &effects)
        case .gossip(let peer, let head, let frame): run(.gossip(from: peer, head, frame: frame), now, &effects)
        case .disconnected(let peer): run(.disconnected(peer), now, &effects)
        case .serve(let content): serve(content, now, &effects)
        case .withdraw(let manifest): withdraw(manifest, now, &effects)
        case .pause(let manifest, let grace): pause(manifest, grace, now, &effects)
        case .drain(let grace): for id in offers.keys.sorted() { pause(id, grace, now, &effects) }
        case .resume(let manifest, let have): resume(manifest, have, now, &effects)
        case .loading(let identity, let rank, let bytes): loading(identity, rank, bytes, now, &effects)
        case .loadingEnded(let identity, let rank): loadingEnded(identity, rank, now, &effects)
        case .pull(let id, let wanted, let options):
            let interest = SnapshotInterest(.model(wanted.model), rank: wanted.rank)
            take(mesh.note(interest: interest, now: now), now, &effects)
            begin(id, wanted, options, now, &effects)
        case .cancel(let id): fail(id, .cancelled, now, &effects)
        case .destinationReady(let id, let have): destinationReady(id, have, now, &effects)
        case .destinationFailed(let id, let reason): fail(id, .destination(reason), now, &effects)
        case .lane(let id, let event): step(id, event, now, &effects)
        case .sealed(let id): sealed(id, now, &effects)
        case .sealFailed(let id, let reason): fail(id, .destination(reason), now, &effects)
        case .served(_, let bytes): bytesServed += bytes
        case .looked(let manifest, let chunk, let isRight): looked(manifest, chunk, isRight: isRight, now, &effects)
        case .restored(let frames): run(.restored(frames), now, &effects)
        case .token(let holder): replace(token: holder, now, &effects)
        case .revocation(let bytes): took(revocation: bytes, now, &effects)
        case .depart: depart(now, &effects)
        case .tick: tick(now, &effects)
        }
        return effects
    }

    /// Takes what another peer of the mesh knows for its own: see `Mesh.begin`.
    package mutating func begin(knowing other: PeerLogic, now: Moment) -> [PeerEffect] {
        var effects: [PeerEffect] = []
        authority.rules.remember(checkedBy: other.authority.rules)
        take(mesh.begin(knowing: other.mesh, now: now), now, &effects)
        return effects
    }

    /// When `tick` is wanted, on the monotonic clock, nanoseconds.
    package var nextDeadline: UInt64 {
        var deadline = mesh.nextDeadline
        if let ledgerDeadline = ledger.nextDeadline { deadline = min(deadline, ledgerDeadline) }
        for offer in offers.values {
            if !offer.untold.isEmpty { deadline = min(deadline, offer.untoldSince + configuration.havePeriod) }
            if needsAnnouncement(offer) { deadline = min(deadline, offer.lastAnnounced + configuration.coveragePeriod) }
            if let end = offer.pausedUntil, !ledger.leases(of: offer.id).isEmpty { deadline = min(deadline, end) }
        }
        if isChoiceStale, !pulls.isEmpty { deadline = min(deadline, nextChoice) }
        for pull in pulls.values {
            switch pull.phase {
            case .searching: deadline = min(deadline, searchDeadline(of: pull))
            case .fetching(_, _, _, let fetchDeadline): deadline = min(deadline, fetchDeadline)
            case .reading(_, let fanIn): deadline = min(deadline, fanIn.nextDeadline ?? .max)
            case .preparing, .sealing: break
            }
        }
        return deadline
    }

    /// The answer to a request on the bootstrap port, signed; nil for another cluster, or before the sockets are bound.
    package func bootstrapAnswer(to request: BootstrapRequest, now: Moment) -> [UInt8]? {
        guard request.cluster == token.anchor.cluster, let endpoints else { return nil }
        let answer = BootstrapAnswer(nonce: request.nonce, chain: chain, endpoints: endpoints, time: now.wall)
        return secrets.signer.sign(answer, cluster: token.anchor.cluster).encoded
    }

    package func bootstrapRequest() -> BootstrapRequest? {
        BootstrapRequest(
            cluster: token.anchor.cluster,
            nonce: Array(secrets.unpredictable().bytes.prefix(BootstrapRequest.nonceSize)))
    }

    /// Everything that a store has to hold: records, beacons and revocations.
    package func everything() -> [MeshChange] {
        mesh.everything()
            + authority.rules.revocations.notices.map {
                .revoked(id: $0.id, until: $0.revocation.value.until, notice: $0.encoded)
            }
    }

    package var revocationCount: Int { authority.rules.revocations.count }

    // MARK: Views for people

    package struct OfferView: Sendable {
        package let identity: SourceIdentity
        package let manifest: ManifestID
        package let totalBytes: UInt64
        package let chunks: Int
        package let have: Int
    }

    package var offerViews: [OfferView] {
        offers.keys.sorted().compactMap { offers[$0] }.map {
            OfferView(
                identity: $0.manifest.identity, manifest: $0.id, totalBytes: $0.manifest.layout.totalBytes,
                chunks: $0.manifest.layout.chunkCount, have: $0.haveMap.count)
        }
    }

    package var slotsInUse: Int { ledger.slotsInUse }
    package var traffic: (served: UInt64, received: UInt64) { (bytesServed, bytesReceived) }

    // MARK: Mesh

    mutating func run(_ event: MeshEvent, _ now: Moment, _ effects: inout [PeerEffect]) {
        take(mesh.handle(event, now: now, authority: &authority), now, &effects)
    }

    mutating func take(_ meshEffects: [MeshEffect], _ now: Moment, _ effects: inout [PeerEffect]) {
        var isChoiceChanged = false
        for effect in meshEffects {
            effects.append(.mesh(effect))
            guard case .changed(let change) = effect else { continue }
            switch change {
            case .record(_, _, _, let purpose, _, _): isChoiceChanged = isChoiceChanged || purpose == .announcement
            case .gone(let peer):
                isChoiceChanged = true
                gone(peer, now, &effects)
            case .channel(let peer, let isUp):
                if isUp, firstChannelAt == nil { firstChannelAt = now.monotonic }
                isChoiceChanged = true
                log(.debug, isUp ? "channel is up" : "channel is closed", [("peer.id", peer.short)], &effects)
            case .neighbour(let peer, let isUp):
                log(.info, isUp ? "neighbour" : "neighbour no longer", [("peer.id", peer.short)], &effects)
            case .blocked(let peer):
                log(
                    .warning, "a neighbour sends what no honest peer does, and is blocked for a while",
                    [("peer.id", peer.short)], &effects)
            case .refused(let peer, let reason):
                log(
                    .debug, "frame refused",
                    [("reason", reason.rawValue), ("peer.id", peer?.short ?? "unknown")], &effects)
            case .quarantined(let peer):
                log(
                    .warning, "a peer contradicts itself and is quarantined: restart it with a token of its own",
                    [("peer.id", peer.short)], &effects)
            case .revoked(_, _, let notice): believed(notice, now, &effects)
            case .renewed: break
            }
        }
        if isChoiceChanged, !pulls.isEmpty {
            isChoiceStale = true
            updateCandidatesIfDue(now, &effects)
        }
    }

    private mutating func start(_ endpoints: Endpoints, _ now: Moment, _ effects: inout [PeerEffect]) {
        self.endpoints = endpoints
        take(mesh.present(chain: chain, endpoints: endpoints, now: now, authority: &authority), now, &effects)
        announceWishes(now, &effects)
        run(.tick, now, &effects)
    }

    private mutating func bootstrapAnswered(
        _ address: String, _ request: BootstrapRequest, _ bytes: [UInt8], _ now: Moment,
        _ effects: inout [PeerEffect]
    ) {
        do {
            let answer = try SignedPayload<BootstrapAnswer>(decoding: bytes)
            guard answer.value.nonce == request.nonce else { throw WireError.malformed(field: "bootstrap nonce") }
            try authority.rules.check(answer, atWall: now.wall)
            // A time from outside: the difference may not fit.
            let (ahead, overflow) = answer.value.time.subtractingReportingOverflow(now.wall)
            if overflow || ahead.magnitude > ValidityLimits.skew.magnitude {
                log(
                    .warning, "clocks differ by more than the mesh allows: synchronise them",
                    [("address", address), ("milliseconds", overflow ? "too many" : "\(ahead)")], &effects)
            }
            run(.bootstrapAnswered(address: address, answer: answer.value), now, &effects)
        } catch {
            bootstrapFailed(address, "its answer is not believed: \(error)", now, &effects)
        }
    }

    private mutating func bootstrapFailed(
        _ address: String, _ reason: String, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        lastBootstrapProblem = "\(address): \(reason)"
        log(.debug, "bootstrap failed", [("address", address), ("reason", reason)], &effects)
        run(.bootstrapFailed(address: address), now, &effects)
    }

    private mutating func gone(_ peer: PeerID, _ now: Moment, _ effects: inout [PeerEffect]) {
        for lease in ledger.readerGone(peer) { effects.append(.end(lease.id)) }
        for id in pulls.keys.sorted() { step(id, .peerGone(peer), now, &effects) }
    }

    private mutating func depart(_ now: Moment, _ effects: inout [PeerEffect]) {
        guard !isDeparting else { return }
        isDeparting = true
        for lease in ledger.sortedLeases {
            send(.leaseEnded(lease: lease.id, code: .draining), to: lease.reader, &effects)
        }
        ledger.drain(now: now)
        take(mesh.depart(now: now, authority: &authority), now, &effects)
    }

    private mutating func tick(_ now: Moment, _ effects: inout [PeerEffect]) {
        // A pull's deadlines come every few milliseconds, the mesh's a few times a second: what goes by wall time goes with those.
        if now.monotonic >= mesh.nextDeadline {
            if now.wall >= nextCertificate { renewCertificate(now, &effects) }
            revocationsOverTime(now, &effects)
            introduceAnew(now)
            adoptIntroductions(now, &effects)
            mesh.report(
                slotsInUse: ledger.slotsInUse, slots: offers.isEmpty ? 0 : configuration.ledger.slots,
                bytesServed: bytesServed, bytesReceived: bytesReceived)
            run(.tick, now, &effects)
        }
        updateCandidatesIfDue(now, &effects)
        for lease in ledger.expire(now: now) {
            effects.append(.end(lease.id))
            send(.leaseEnded(lease: lease.id, code: .unknownLease), to: lease.reader, &effects)
        }
        endPaused(now, &effects)
        tellHolders(now, &effects)
        for id in offers.keys.sorted() { announceIfDue(id, now, &effects) }
        for id in pulls.keys.sorted() { tick(id, now, &effects) }
    }

    private mutating func replace(token holder: TokenHolder, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard holder.anchor == token.anchor, holder.grant != token.grant else { return }
        token = holder
        log(.info, "a new join token is used", [("token.ends", "\(holder.grant.value.notAfter)")], &effects)
        renewCertificate(now, &effects)
    }

    /// At half its life the certificate is made anew; an expired token is told, and the peer goes on until its certificate ends.
    private mutating func renewCertificate(_ now: Moment, _ effects: inout [PeerEffect]) {
        do {
            let renewed = try token.certify(peer: local, curveKey: secrets.curveKey, atWall: now.wall)
            try authority.rules.check(renewed, atWall: now.wall)
            chain = renewed
            if renewed.certificate.value.notAfter >= token.grant.value.notAfter {
                log(
                    .warning, "the join token ends soon: put a new one in its place (`modelexpress keys token`)",
                    [("token.ends", "\(token.grant.value.notAfter)")], &effects)
            }
            nextCertificate = max(Self.halfLife(of: renewed), now.wall + 60_000)
            guard let endpoints else { return }
            take(mesh.present(chain: chain, endpoints: endpoints, now: now, authority: &authority), now, &effects)
        } catch {
            nextCertificate = now.wall + 60_000
            log(.warning, "the certificate can't be renewed", [("reason", "\(error)")], &effects)
        }
    }

    private static func halfLife(of chain: CertificateChain) -> Int64 {
        let certificate = chain.certificate.value
        return certificate.notBefore + (certificate.notAfter - certificate.notBefore) / 2
    }

    // MARK: Small things

    func send(_ message: ControlMessage, to peer: PeerID, _ effects: inout [PeerEffect]) {
        effects.append(.mesh(.send(to: peer, message)))
    }

    func log(
        _ level: PeerLogEntry.Level, _ message: String, _ values: [(String, String)], _ effects: inout [PeerEffect]
    ) {
        effects.append(.log(PeerLogEntry(level: level, message: message, values: values)))
    }

    mutating func takeRequest() -> UInt64 {
        defer { nextRequest += 1 }
        return nextRequest
    }

    /// Numbers for a new pull's requests: 32 bits of them, that no other pull and no manifest request has.
    mutating func takeRequestRange() -> UInt64 {
        pullsBegun += 1
        return pullsBegun << 32
    }
}
