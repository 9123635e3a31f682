import Mesh
import Records
import Transfer
import Trust

/// The peer as a source: introductions, announcements, manifests, probes and leases.
extension PeerLogic {
    /// Serves whole content as its origin: introduces the manifest and announces it.
    mutating func serve(_ content: ServedContent, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard let proof = introduce(content, now) else {
            log(
                .warning, "content is not served: the token has no role `origin` for it, and nobody else introduced it",
                [("model", content.manifest.identity.model)], &effects)
            return
        }
        register(
            Offer(
                manifest: content.manifest, id: content.id, encoded: content.encoded, proof: proof, owner: nil,
                isInMemory: content.isInMemory, haveMap: content.have))
        forgetWish(content.manifest.identity, content.manifest.rank)
        announceIfDue(content.id, now, &effects)
    }

    /// Our word that this is the content of its source id; without the role `origin`, the word of another that we were given.
    private mutating func introduce(_ content: ServedContent, _ now: Moment) -> IntroductionProof? {
        introduction(of: content.manifest, content.id, now) ?? offers[content.id]?.proof
            ?? believed(content.proof, for: content, now)
    }

    private mutating func believed(
        _ proof: IntroductionProof?, for content: ServedContent, _ now: Moment
    ) -> IntroductionProof? {
        guard let proof else { return nil }
        do {
            try authority.rules.check(
                proof, introduces: content.id, of: content.manifest.identity, rank: content.manifest.rank,
                atWall: now.wall)
            return proof
        } catch {
            return nil
        }
    }

    /// Nil without the role `origin` for the model.
    private func introduction(of manifest: Manifest, _ id: ManifestID, _ now: Moment) -> IntroductionProof? {
        guard mayIntroduce(model: manifest.identity.model) else { return nil }
        let introduction = Introduction(
            source: manifest.identity.id, model: manifest.identity.model, stage: manifest.identity.stage,
            rank: manifest.rank, manifest: id, notBefore: now.wall,
            notAfter: now.wall + min(configuration.introductionLife, ValidityLimits.introduction),
            token: chain.grant.value.id)
        return IntroductionProof(
            introduction: secrets.signer.sign(introduction, cluster: token.anchor.cluster), author: chain)
    }

    /// At half its life an introduction is issued again by whoever may and holds the whole content, its author or not: content
    /// must stay introduced when the pod that came first is long gone.
    mutating func introduceAnew(_ now: Moment) {
        for id in offers.keys.sorted() {
            guard let offer = offers[id], offer.haveMap.isFull, needsIntroduction(offer, now),
                let proof = introduction(of: offer.manifest, id, now)
            else { continue }
            offers[id]?.introduce(by: proof)
        }
    }

    mutating func register(_ offer: Offer) { offers[offer.id] = offer }

    mutating func withdraw(_ id: ManifestID, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard let offer = offers.removeValue(forKey: id) else { return }
        for lease in ledger.withdraw(id) {
            effects.append(.end(lease.id))
            send(.leaseEnded(lease: lease.id, code: .unknownManifest), to: lease.reader, &effects)
        }
        guard offer.announcedEighths != nil else { return }
        announce(offer, state: .tombstone, now, &effects)
    }

    /// A change of coverage is told at most once a period; that there is a destination, and completion, at once.
    func needsAnnouncement(_ offer: Offer) -> Bool {
        guard endpoints != nil, !isDeparting, !offer.isSuspended, offer.pausedUntil == nil, mayServe(offer),
            !offer.haveMap.isEmpty || offer.haveMap.isFull || isFilling(offer)
        else {
            return false
        }
        return offer.announcedEighths != offer.haveMap.eighths
    }

    /// Whether chunks come to its destination now. It is announced before the first one is there, so that others have their leases,
    /// and hear of each chunk as it comes.
    private func isFilling(_ offer: Offer) -> Bool {
        guard let owner = offer.owner, case .reading? = pulls[owner]?.phase else { return false }
        return true
    }

    mutating func announceIfDue(_ id: ManifestID, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard var offer = offers[id], needsAnnouncement(offer) else { return }
        let isUrgent = offer.announcedEighths == nil || offer.haveMap.isFull
        guard isUrgent || now.monotonic >= offer.lastAnnounced + configuration.coveragePeriod else { return }
        offer.announcedEighths = offer.haveMap.eighths
        offer.lastAnnounced = now.monotonic
        offers[id] = offer
        announce(offer, state: .live, now, &effects)
    }

    mutating func announce(
        _ offer: Offer, state: AnnouncementState, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        let own = OwnOffer(
            identity: offer.manifest.identity, rank: offer.manifest.rank, state: state, manifest: offer.id,
            introduction: offer.proof.introduction.value.id, coverageEighths: offer.haveMap.eighths,
            totalBytes: offer.manifest.layout.totalBytes, lanes: lanes(of: offer).map(\.kind).sorted(),
            slots: UInt16(clamping: configuration.ledger.slots))
        take(mesh.announce(own, now: now, authority: &authority), now, &effects)
    }

    /// How it can be read: what lies in files no RDMA device reads.
    private func lanes(of offer: Offer) -> [LaneOffer] {
        laneOffers.filter { offer.isInMemory || ![.verbs, .ucx].contains($0.kind) }
    }

    private func mayServe(_ offer: Offer) -> Bool {
        let model = offer.manifest.identity.model
        return TrustRules.permits(chain, .origin, model: model) || TrustRules.permits(chain, .relay, model: model)
    }

    mutating func serve(
        _ message: ControlMessage, to peer: PeerID, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        switch message {
        case .manifestRequest(let request, let manifest, let offset):
            guard let offer = permitted(manifest, request, peer, now, &effects) else { return }
            sendPage(of: offer, request, offset, to: peer, &effects)
        case .probe(let request, let manifest):
            guard let offer = permitted(manifest, request, peer, now, &effects) else { return }
            let (free, reserved) = ledger.probe(by: peer, now: now)
            let answer = ControlMessage.probeAnswer(
                request: request, freeSlots: UInt16(clamping: free),
                slots: UInt16(clamping: configuration.ledger.slots), reserved: reserved, haveMap: offer.haveMap)
            send(answer, to: peer, &effects)
        case .releaseReservation: ledger.releaseReservation(of: peer)
        case .leaseRequest(let request, let manifest, let lanes):
            guard let offer = permitted(manifest, request, peer, now, &effects) else { return }
            grant(offer, request, lanes, to: peer, now, &effects)
        case .leaseRenewal(let lease):
            let isRenewed = !isDeparting && ledger.renew(lease, by: peer, limit: life(of: peer, now), now: now)
            let answer: ControlMessage =
                isRenewed
                ? .leaseRenewed(lease: lease, duration: remaining(of: lease, now))
                : .leaseEnded(lease: lease, code: .unknownLease)
            send(answer, to: peer, &effects)
        case .leaseRelease(let lease, let bytesRead):
            guard let held = ledger.lease(lease), ledger.release(lease, by: peer) else { return }
            effects.append(.end(lease))
            bytesServed += min(bytesRead, offers[held.manifest]?.manifest.layout.totalBytes ?? 0)
        case .chunkDispute(let lease, let chunk): disputed(lease, Int(chunk), by: peer, now, &effects)
        default: break
        }
    }

    /// The offer, if the peer may read it; otherwise the refusal is sent.
    private func permitted(
        _ manifest: ManifestID, _ request: UInt64, _ peer: PeerID, _ now: Moment, _ effects: inout [PeerEffect]
    ) -> Offer? {
        guard let offer = offers[manifest], !offer.isSuspended else {
            refuse(request, .unknownManifest, peer, &effects)
            return nil
        }
        guard let reader = mesh.peerRecord(of: peer)?.chain, mayServe(offer), !isRevoked(peer, now),
            TrustRules.permits(reader, .reader, model: offer.manifest.identity.model)
        else {
            refuse(request, .notPermitted, peer, &effects)
            return nil
        }
        guard !isDeparting, offer.pausedUntil == nil else {
            refuse(request, .draining, peer, &effects)
            return nil
        }
        return offer
    }

    private func refuse(_ request: UInt64, _ code: RefusalCode, _ peer: PeerID, _ effects: inout [PeerEffect]) {
        send(
            .refusal(request: request, code: code, retryAfter: configuration.ledger.retryAfter), to: peer, &effects)
    }

    private func sendPage(
        of offer: Offer, _ request: UInt64, _ offset: UInt64, to peer: PeerID, _ effects: inout [PeerEffect]
    ) {
        guard offset < UInt64(offer.encoded.count) else {
            refuse(request, .unknownManifest, peer, &effects)
            return
        }
        let start = Int(offset)
        let end = min(start + WireLimits.manifestPage, offer.encoded.count)
        send(
            .manifestPage(
                request: request, total: UInt64(offer.encoded.count), offset: offset,
                bytes: Array(offer.encoded[start..<end]), proof: start == 0 ? offer.proof : nil),
            to: peer, &effects)
    }

    private mutating func grant(
        _ offer: Offer, _ request: UInt64, _ lanes: [LaneKind], to peer: PeerID, _ now: Moment,
        _ effects: inout [PeerEffect]
    ) {
        let own = self.lanes(of: offer)
        let offered = lanes.compactMap { lane in own.first { $0.kind == lane } }
        guard !offered.isEmpty else {
            refuse(request, .noLane, peer, &effects)
            return
        }
        let id = LeaseID(secrets.unpredictable())
        let life = life(of: peer, now)
        guard let (lease, replaced) = ledger.request(by: peer, manifest: offer.id, id: id, limit: life, now: now)
        else {
            refuse(request, .busy, peer, &effects)
            return
        }
        if let replaced { effects.append(.end(replaced)) }
        let sessionKey = secrets.unpredictable()
        effects.append(
            .admit(
                id, sessionKey: sessionKey, manifest: offer.id, window: configuration.ledger.window, closeness(of: peer)
            ))
        let grant = LeaseGrant(
            lease: id, manifest: offer.id, generation: lease.generation,
            duration: remaining(of: id, now),
            window: configuration.ledger.window, slot: UInt16(clamping: lease.slot),
            slots: UInt16(clamping: configuration.ledger.slots), sessionKey: sessionKey, lanes: offered,
            haveMap: offer.haveMap)
        send(.leaseGrant(request: request, grant: grant), to: peer, &effects)
        log(
            .info, "lease granted",
            [("peer.id", peer.short), ("lease.id", id.short), ("model", offer.manifest.identity.model)], &effects)
    }

    /// Nanoseconds that a reader's certificate still holds.
    private func life(of peer: PeerID, _ now: Moment) -> UInt64 {
        let notAfter = mesh.peerRecord(of: peer)?.chain.certificate.value.notAfter ?? now.wall
        return UInt64(max(notAfter - now.wall, 0)) * Duration64.millisecond
    }

    /// Milliseconds until a lease ends.
    private func remaining(of lease: LeaseID, _ now: Moment) -> UInt32 {
        let end = ledger.lease(lease)?.end ?? now.monotonic
        return UInt32(clamping: (end - min(end, now.monotonic)) / Duration64.millisecond)
    }

    /// Tells lease holders what was verified since, at most a period late.
    mutating func tellHolders(_ now: Moment, _ effects: inout [PeerEffect]) {
        for id in offers.keys.sorted() {
            guard let offer = offers[id], !offer.untold.isEmpty,
                now.monotonic >= offer.untoldSince + configuration.havePeriod
            else { continue }
            let chunks = offer.untold.prefix(WireLimits.chunksInDelta)
            for lease in ledger.leases(of: id) {
                send(.haveDelta(lease: lease.id, chunks: Array(chunks)), to: lease.reader, &effects)
            }
            offers[id]?.untold.removeFirst(chunks.count)
        }
    }

    /// A chunk lies verified in the destination of `pull`; it is offered when that destination is the one that is served.
    mutating func became(available chunk: Int, of id: ManifestID, by pull: PullID, _ now: Moment) {
        guard offers[id]?.owner == pull, offers[id]?.haveMap.insert(chunk) == true else { return }
        if offers[id]?.untold.isEmpty == true { offers[id]?.untoldSince = now.monotonic }
        offers[id]?.untold.append(UInt32(chunk))
    }
}

extension PeerLogic {
    /// Whether this peer's certificate lets it introduce content of a model.
    package func mayIntroduce(model: String) -> Bool { TrustRules.permits(chain, .origin, model: model) }
}
