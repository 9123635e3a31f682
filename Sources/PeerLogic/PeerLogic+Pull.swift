import Digest
import Mesh
import Records
import Transfer
import Trust

/// The peer as a target: manifest, destination, reading, seal.
extension PeerLogic {
    mutating func begin(
        _ id: PullID, _ wanted: WantedModel, _ options: PullOptions, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        pulls[id] = Pull(
            id: id, wanted: wanted, options: options, started: now.monotonic, firstRequest: takeRequestRange())
        effects.append(.pull(id, .searching))
        guard TrustRules.permits(chain, .reader, model: wanted.model) else {
            fail(id, .refused("our token has no role `reader` for \"\(wanted.model)\""), now, &effects)
            return
        }
        if options.cold != nil { announceWish(of: id, now, &effects) }
        search(id, now, &effects)
    }

    // MARK: Manifest

    mutating func receivedPage(
        _ request: UInt64, _ total: UInt64, _ offset: UInt64, _ bytes: [UInt8], _ proof: IntroductionProof?,
        from peer: PeerID, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        for id in pulls.keys.sorted() {
            guard var pull = pulls[id], case .fetching(let asked, let expected, var assembly, _) = pull.phase,
                asked == peer, expected == request
            else { continue }
            // Gives up the other reference to the pages, so that the next one is appended in place.
            pull.phase = .searching
            pulls[id]?.phase = .searching
            switch assembly.add(total: total, offset: offset, bytes: bytes, proof: proof) {
            case .refused(let error): distrust(id, peer, "its manifest is malformed: \(error)", now, &effects)
            case .complete(let encoded): accept(id, encoded, assembly, from: peer, now, &effects)
            case .incomplete:
                let next = takeRequest()
                pull.phase = .fetching(
                    from: peer, request: next, assembly, deadline: now.monotonic + configuration.manifestTimeout)
                pulls[id] = pull
                send(
                    .manifestRequest(request: next, manifest: assembly.manifest, offset: assembly.nextOffset),
                    to: peer, &effects)
            }
        }
    }

    mutating func refusedPage(
        _ request: UInt64, _ code: RefusalCode, from peer: PeerID, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        for id in pulls.keys.sorted() {
            guard case .fetching(let asked, let expected, _, _)? = pulls[id]?.phase, asked == peer,
                expected == request
            else { continue }
            switch code {
            case .notPermitted: distrust(id, peer, code.sentence, now, &effects)
            // It may have it later, or is on its way out: others are asked, and it again a few times.
            case .busy, .unknownManifest, .draining, .unknownLease, .noLane:
                heardNothing(id, from: peer, code.sentence, now, &effects)
            }
        }
    }

    private mutating func accept(
        _ id: PullID, _ encoded: [UInt8], _ assembly: ManifestAssembly, from peer: PeerID, _ now: Moment,
        _ effects: inout [PeerEffect]
    ) {
        guard var pull = pulls[id] else { return }
        let manifest: Manifest
        do {
            guard ManifestID(BLAKE2b.digest(encoded)) == assembly.manifest else {
                throw WireError.malformed(field: "manifest hash")
            }
            manifest = try Manifest(decoding: encoded)
            guard let proof = assembly.proof else { throw WireError.malformed(field: "introduction") }
            try authority.rules.check(
                proof, introduces: assembly.manifest, of: manifest.identity, rank: manifest.rank, atWall: now.wall)
            guard manifest.identity.model == pull.wanted.model, manifest.identity.stage == pull.wanted.stage,
                manifest.rank == pull.wanted.rank, pull.wanted.identity.map({ $0 == manifest.identity }) ?? true
            else { throw TrustError.introductionMismatch(field: "source identity") }
            if offers[assembly.manifest]?.isSuspended == true {
                offers[assembly.manifest]?.introduce(by: proof)
            } else if offers[assembly.manifest] == nil, pull.options.keepsContent {
                register(
                    Offer(
                        manifest: manifest, id: assembly.manifest, encoded: encoded, proof: proof, owner: id,
                        isInMemory: pull.options.isInMemory, haveMap: ChunkSet(chunkCount: manifest.layout.chunkCount)))
            }
        } catch {
            distrust(id, peer, "\(error)", now, &effects)
            return
        }
        pull.phase = .preparing(assembly.manifest)
        pull.layout = manifest.layout
        pull.report.totalBytes = manifest.layout.totalBytes
        pull.report.chunks = manifest.layout.chunkCount
        pulls[id] = pull
        let sources = self.sources(now) { $0.manifest == assembly.manifest }.count
        effects.append(
            .pull(
                id,
                .found(
                    assembly.manifest, manifest.identity, totalBytes: manifest.layout.totalBytes,
                    chunks: manifest.layout.chunkCount, sources: sources)))
        effects.append(.prepare(id, manifest, assembly.manifest))
    }

    /// A page did not come: the search begins again, with this peer too until it was silent too often.
    private mutating func heardNothing(
        _ id: PullID, from peer: PeerID, _ reason: String, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        pulls[id]?.silences[peer, default: 0] += 1
        if pulls[id]?.silences[peer] ?? 0 >= configuration.manifestSilences {
            return distrust(id, peer, reason, now, &effects)
        }
        pulls[id]?.phase = .searching
        search(id, now, &effects)
    }

    private mutating func distrust(
        _ id: PullID, _ peer: PeerID, _ reason: String, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        pulls[id]?.distrusted[peer] = reason
        pulls[id]?.phase = .searching
        log(.warning, "manifest not taken", [("peer.id", peer.short), ("reason", reason)], &effects)
        search(id, now, &effects)
    }

    // MARK: Reading

    mutating func destinationReady(
        _ id: PullID, _ have: ChunkSet, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard var pull = pulls[id], case .preparing(let manifest) = pull.phase, let layout = pull.layout else {
            return
        }
        for chunk in have.elements {
            became(available: chunk, of: manifest, by: id, now)
            effects.append(.available(id, chunk: chunk))
        }
        if !have.isEmpty { effects.append(.pull(id, .resumed(chunks: have.count))) }
        let fanIn = FanIn(
            layout: layout, have: have, configuration: configuration.fanIn,
            generator: SeededGenerator(seed: generator.next()), now: now, firstRequest: pull.firstRequest,
            local: local)
        pull.phase = .reading(manifest, fanIn)
        pulls[id] = pull
        tellSources(of: manifest, to: pull, now, &effects)
    }

    /// Tells pulls who offers what, unless they were told just now: in a crowd every peer tells the others of its coverage.
    mutating func updateCandidatesIfDue(_ now: Moment, _ effects: inout [PeerEffect]) {
        guard isChoiceStale, now.monotonic >= nextChoice else { return }
        isChoiceStale = false
        nextChoice = now.monotonic + configuration.choicePeriod
        updateCandidates(now, &effects)
    }

    mutating func updateCandidates(_ now: Moment, _ effects: inout [PeerEffect]) {
        for id in pulls.keys.sorted() {
            guard let pull = pulls[id] else { continue }
            switch pull.phase {
            case .searching: search(id, now, &effects)
            case .reading(let manifest, _): tellSources(of: manifest, to: pull, now, &effects)
            default: break
            }
        }
    }

    /// Tells a pull who announces its manifest, and opens channels to some of them.
    private mutating func tellSources(
        of manifest: ManifestID, to pull: Pull, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        let sources = sources(now) { $0.manifest == manifest && $0.state == .live }.filter { $0.peerID != local }
        reachSome(of: sources, now, &effects)
        step(pull.id, .zone(fillingNearby(sources)), now, &effects)
        step(pull.id, .candidates(sourceCandidates(of: pull, sources)), now, &effects)
    }

    /// Whoever of this host or zone fills itself, with a channel to it or without: all who announce it share the link to the outside.
    private func fillingNearby(_ sources: [OfferedSource]) -> [PeerID] {
        sources.filter { !$0.announcement.isComplete && closeness(of: $0.peer) < .far }.map(\.peerID)
    }

    /// Neighbours among the sources, with the lanes that both sides can use.
    private func sourceCandidates(of pull: Pull, _ sources: [OfferedSource]) -> [SourceCandidate] {
        sources.compactMap { source in
            guard mesh.hasChannel(to: source.peerID) else { return nil }
            let closeness = closeness(of: source.peer)
            let lanes = configuration.lanes.filter { lane in
                source.announcement.lanes.contains(lane) && (pull.options.lane == nil || pull.options.lane == lane)
                    && (lane != .sharedMemory || closeness == .sameHost)
            }
            return SourceCandidate(
                peer: source.peerID, lanes: lanes, isComplete: source.announcement.isComplete, closeness: closeness,
                isFull: source.beacon.map { $0.slots > 0 && $0.slotsInUse >= $0.slots } ?? false)
        }
    }

    func closeness(of peer: PeerID) -> Closeness { mesh.peerRecord(of: peer).map(closeness(of:)) ?? .far }

    /// Hosts and zones that are not told are nobody's.
    private func closeness(of peer: PeerRecord) -> Closeness {
        let own = configuration.presence
        if !peer.host.isEmpty, peer.host == own.host { return .sameHost }
        return !peer.zone.isEmpty && peer.zone == own.zone ? .sameZone : .far
    }

    mutating func step(_ id: PullID, _ event: FanInEvent, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard var pull = pulls[id], case .reading(let manifest, var fanIn) = pull.phase else { return }
        // Gives up the other reference to the scheduler's arrays, so that they are changed in place and not copied.
        pulls[id]?.phase = .preparing(manifest)
        pull.phase = .preparing(manifest)
        let steps = fanIn.handle(event, now: now)
        pull.phase = .reading(manifest, fanIn)
        bytesReceived += fanIn.bytesVerified - pull.report.bytesVerified
        pull.report.bytesVerified = fanIn.bytesVerified
        pull.report.chunksVerified = fanIn.verified.count
        if fanIn.isComplete { tell(of: fanIn, in: &pull.report) }
        pulls[id] = pull
        perform(steps, of: id, manifest, now, &effects)
    }

    private func tell(of fanIn: FanIn, in report: inout PullReport) {
        report.sources = fanIn.tallies
        report.untoldSources = fanIn.untoldSources
        report.names = report.sources.map { mesh.peerRecord(of: $0.peer)?.name ?? "" }
    }

    private mutating func perform(
        _ steps: [FanInEffect], of id: PullID, _ manifest: ManifestID, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        for step in steps {
            switch step {
            case .probe(let peer, let request):
                send(.probe(request: request, manifest: manifest), to: peer, &effects)
            case .releaseReservation(let peer): send(.releaseReservation(manifest: manifest), to: peer, &effects)
            case .requestLease(let peer, let request, let lanes):
                send(.leaseRequest(request: request, manifest: manifest, lanes: lanes), to: peer, &effects)
            case .openLane(let peer, let grant, let offer):
                let name = mesh.peerRecord(of: peer)?.name ?? ""
                effects.append(.pull(id, .source(peer, name: name, offer.kind)))
                effects.append(.openLane(id, peer, grant, offer, closeness(of: peer)))
            case .read(let lease, let chunk, let place): effects.append(.read(id, lease, chunk: chunk, into: place))
            case .place(let lease, let chunk): effects.append(.place(id, lease, chunk: chunk))
            case .dropBounce(let lease, let chunk): effects.append(.dropBounce(id, lease, chunk: chunk))
            case .closeLane(let lease): effects.append(.closeLane(id, lease))
            case .dispute(let peer, let lease, let chunk):
                send(.chunkDispute(lease: lease, chunk: UInt32(chunk)), to: peer, &effects)
            case .renew(let peer, let lease): send(.leaseRenewal(lease: lease), to: peer, &effects)
            case .release(let peer, let lease):
                send(.leaseRelease(lease: lease, bytesRead: unseenBytes(of: peer, by: id)), to: peer, &effects)
            case .chunkVerified(let chunk):
                became(available: chunk, of: manifest, by: id, now)
                effects.append(.available(id, chunk: chunk))
                reportProgress(id, &effects)
            case .complete:
                pulls[id]?.phase = .sealing(manifest)
                effects.append(.seal(id))
            case .failed(let failure): fail(id, .transfer(failure), now, &effects)
            }
        }
        announceIfDue(manifest, now, &effects)
    }

    /// Bytes read from a peer's memory, without its doing anything, that it was not told of yet.
    private mutating func unseenBytes(of peer: PeerID, by id: PullID) -> UInt64 {
        guard case .reading(_, let fanIn)? = pulls[id]?.phase, let tally = fanIn.tally(of: peer),
            [.sharedMemory, .verbs, .ucx].contains(tally.lane)
        else { return 0 }
        let told = pulls[id]?.toldBytes[peer] ?? 0
        pulls[id]?.toldBytes[peer] = tally.bytes
        return tally.bytes - min(told, tally.bytes)
    }

    private func reportProgress(_ id: PullID, _ effects: inout [PeerEffect]) {
        guard let pull = pulls[id] else { return }
        effects.append(.pull(id, .progress(bytes: pull.report.bytesVerified, chunks: pull.report.chunksVerified)))
    }

    mutating func tick(_ id: PullID, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard let pull = pulls[id] else { return }
        switch pull.phase {
        case .searching: search(id, now, &effects)
        case .fetching(let peer, _, _, let deadline):
            if now.monotonic >= deadline {
                heardNothing(id, from: peer, "it did not send its manifest in time", now, &effects)
            }
        case .reading(_, let fanIn):
            if let deadline = fanIn.nextDeadline, now.monotonic >= deadline { step(id, .tick, now, &effects) }
        case .preparing, .sealing: break
        }
    }

    mutating func sealed(_ id: PullID, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard let pull = pulls.removeValue(forKey: id), let manifest = pull.manifest else { return }
        if let identity = pull.wanted.identity { forgetWish(identity, pull.wanted.rank) }
        effects.append(.pull(id, .complete(pull.report)))
        announceIfDue(manifest, now, &effects)
    }

    mutating func fail(_ id: PullID, _ failure: PullFailure, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard var pull = pulls.removeValue(forKey: id) else { return }
        if case .reading(let manifest, var fanIn) = pull.phase {
            tell(of: fanIn, in: &pull.report)
            // Lanes are closed and leases released even though the pull is over.
            perform(fanIn.stop(), of: id, manifest, now, &effects)
        }
        if let manifest = pull.manifest, offers[manifest]?.owner == id {
            withdraw(manifest, now, &effects)
        }
        endWish(of: pull, failure, now, &effects)
        effects.append(.pull(id, .failed(failure, pull.report)))
    }
}
