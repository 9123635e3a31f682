import Records

/// How a pull draws, probes, leases, renews and leaves its sources.
extension FanIn {
    mutating func update(_ candidates: [SourceCandidate]) {
        for peer in sources.keys { sources[peer]?.isAnnounced = false }
        for candidate in candidates {
            if sources[candidate.peer] == nil {
                sources[candidate.peer] = FanInSource(candidate: candidate, chunkCount: layout.chunkCount)
            }
            sources[candidate.peer]?.candidate = candidate
            sources[candidate.peer]?.isAnnounced = true
        }
    }

    /// Draws two sources at random and probes both, while fewer are engaged than a pull keeps.
    mutating func engage(_ now: Moment, _ effects: inout [FanInEffect]) {
        guard !unassigned.isEmpty, !sources.values.contains(where: { isBeingChosen($0) }) else { return }
        let engaged = sources.values.count(where: \.isEngaged)
        guard engaged < configuration.activeSources else { return }
        var drawn = sources.keys.sorted().filter { sources[$0]?.isAvailable == true }
        drawn.shuffle(using: &generator)
        // A complete source has everything; a partial one is drawn first only when there is no other.
        drawn.sort { isComplete($0) && !isComplete($1) }
        for peer in drawn.prefix(2) {
            let request = takeRequest()
            sources[peer]?.state = .probing(request: request, deadline: now.monotonic + configuration.answerTimeout)
            effects.append(.probe(peer, request: request))
        }
    }

    /// Sources without any chunk that is missing may wait for each other; so one of them yields its place when all places
    /// are taken and a complete source could be asked.
    mutating func leaveStarved(_ effects: inout [FanInEffect]) {
        guard !unassigned.isEmpty, sources.values.count(where: \.isEngaged) >= configuration.activeSources,
            sources.values.contains(where: { $0.isAvailable && $0.candidate.isComplete })
        else { return }
        let starved = sources.keys.sorted().first { peer in
            guard let source = sources[peer], source.isActive, source.reads.isEmpty else { return false }
            return !unassigned.contains(where: source.haveMap.contains)
        }
        if let starved { close(starved, coolDown: configuration.recheck, &effects) }
    }

    private func isComplete(_ peer: PeerID) -> Bool { sources[peer]?.candidate.isComplete == true }

    private func isBeingChosen(_ source: FanInSource) -> Bool {
        switch source.state {
        case .probing, .probed: true
        default: false
        }
    }

    mutating func probeAnswered(
        _ peer: PeerID, _ request: UInt64, _ free: Int, _ reserved: Bool, _ haveMap: ChunkSet, _ now: Moment,
        _ effects: inout [FanInEffect]
    ) {
        guard case .probing(let asked, _)? = sources[peer]?.state, asked == request else {
            if reserved { effects.append(.releaseReservation(peer)) }
            return
        }
        guard haveMap.chunkCount == layout.chunkCount else {
            note(peer, "it tells of \(haveMap.chunkCount) chunks, the manifest has \(layout.chunkCount)")
            sources[peer]?.state = .shunned
            return
        }
        sources[peer]?.haveMap = haveMap
        if reserved, unassigned.contains(where: haveMap.contains) {
            sources[peer]?.state = .probed(freeSlots: free)
        } else {
            if reserved { effects.append(.releaseReservation(peer)) }
            sources[peer]?.state = .cooling(until: now.monotonic + configuration.recheck)
        }
        decide(now, &effects)
    }

    /// When every probe is answered or given up, the less loaded of those that answered is asked for a lease.
    private mutating func decide(_ now: Moment, _ effects: inout [FanInEffect]) {
        var probed: [(peer: PeerID, free: Int)] = []
        for peer in sources.keys.sorted() {
            switch sources[peer]?.state {
            case .probing: return
            case .probed(let free): probed.append((peer, free))
            default: break
            }
        }
        guard let best = probed.max(by: { $0.free < $1.free }) else { return }
        for other in probed where other.peer != best.peer {
            effects.append(.releaseReservation(other.peer))
            sources[other.peer]?.state = .idle
        }
        guard let source = sources[best.peer] else { return }
        let request = takeRequest()
        sources[best.peer]?.state = .leasing(
            request: request, deadline: now.monotonic + configuration.answerTimeout)
        let fresh = source.candidate.lanes.filter { !source.failedLanes.contains($0) }
        if fresh.isEmpty { sources[best.peer]?.failedLanes = [] }
        effects.append(
            .requestLease(best.peer, request: request, lanes: fresh.isEmpty ? source.candidate.lanes : fresh))
    }

    mutating func granted(
        _ peer: PeerID, _ request: UInt64, _ grant: LeaseGrant, _ now: Moment, _ effects: inout [FanInEffect]
    ) {
        guard case .leasing(let asked, _)? = sources[peer]?.state, asked == request, let source = sources[peer] else {
            effects.append(.release(peer, grant.lease))
            return
        }
        let usable = source.candidate.lanes.filter { !source.failedLanes.contains($0) }
        let offers = usable.compactMap { lane in grant.lanes.first { $0.kind == lane } }
        guard let offer = offers.first, grant.haveMap.chunkCount == layout.chunkCount, leases[grant.lease] == nil
        else {
            effects.append(.release(peer, grant.lease))
            note(peer, RefusalCode.noLane.sentence)
            sources[peer]?.state = .cooling(until: now.monotonic + configuration.coolDown)
            return
        }
        leases[grant.lease] = peer
        sources[peer]?.grant = grant
        sources[peer]?.lane = offer.kind
        sources[peer]?.tally.lane = offer.kind
        sources[peer]?.haveMap = grant.haveMap
        sources[peer]?.state = .opening(deadline: now.monotonic + configuration.openTimeout)
        setLeaseTimes(peer, grant.duration, now)
        effects.append(.openLane(peer, grant, offer))
    }

    mutating func refused(
        _ peer: PeerID, _ request: UInt64, _ code: RefusalCode, _ retry: UInt32, _ now: Moment,
        _ effects: inout [FanInEffect]
    ) {
        switch sources[peer]?.state {
        case .probing(let asked, _), .leasing(let asked, _):
            guard asked == request else { return }
        default: return
        }
        if code != .busy { note(peer, code.sentence) }
        let pause = code == .busy ? max(UInt64(retry) * Duration64.millisecond, 1) : configuration.coolDown
        sources[peer]?.state = .cooling(until: now.monotonic + min(pause, 10 * Duration64.second))
        decide(now, &effects)
    }

    mutating func renewed(_ lease: LeaseID, _ duration: UInt32, _ now: Moment) {
        guard let peer = leases[lease] else { return }
        setLeaseTimes(peer, duration, now)
    }

    /// The reader renews at half the lease and stops at three quarters of it unless renewed (transfer.md).
    private mutating func setLeaseTimes(_ peer: PeerID, _ duration: UInt32, _ now: Moment) {
        let life = UInt64(duration) * Duration64.millisecond
        sources[peer]?.nextRenewal = now.monotonic + life / 2
        sources[peer]?.leaseEnd = now.monotonic + life / 4 * 3
    }

    mutating func leaseEnded(_ lease: LeaseID, _ code: RefusalCode, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let peer = leases[lease] else { return }
        note(peer, code.sentence)
        close(peer, coolDown: configuration.coolDown, &effects)
    }

    mutating func received(_ chunks: [UInt32], _ lease: LeaseID) {
        guard let peer = leases[lease] else { return }
        for chunk in chunks { sources[peer]?.haveMap.insert(Int(chunk)) }
    }

    mutating func laneOpened(_ lease: LeaseID) {
        guard let peer = leases[lease], case .opening? = sources[peer]?.state else { return }
        sources[peer]?.state = .active
    }

    mutating func laneFailed(_ lease: LeaseID, _ reason: String, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let peer = leases[lease], let source = sources[peer] else { return }
        if case .opening = source.state, let lane = source.lane {
            sources[peer]?.failedLanes.insert(lane)
            sources[peer]?.tally.failures += 1
            note(peer, reason)
            // Another lane of the same source may work at once; after the last one it is left alone.
            let hasOther = !source.candidate.lanes.allSatisfy { $0 == lane || source.failedLanes.contains($0) }
            close(peer, coolDown: hasOther ? 0 : configuration.coolDown, &effects)
        } else {
            note(peer, reason)
            close(peer, coolDown: configuration.coolDown, &effects)
        }
    }

    /// Tells the lane to close; its chunks stay assigned until `laneClosed`.
    mutating func close(_ peer: PeerID, coolDown: UInt64, _ effects: inout [FanInEffect]) {
        guard let source = sources[peer], let grant = source.grant, !source.isClosing else { return }
        sources[peer]?.state = .closing
        sources[peer]?.coolDownAfterClose = coolDown
        effects.append(.closeLane(grant.lease))
    }

    mutating func laneClosed(_ lease: LeaseID, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let peer = leases.removeValue(forKey: lease), let source = sources[peer] else { return }
        for chunk in source.reads.keys.sorted() where !verified.contains(chunk) { unassigned.insert(chunk, at: 0) }
        sources[peer]?.reads.removeAll()
        sources[peer]?.grant = nil
        effects.append(.release(peer, lease))
        if !source.isClosing { sources[peer]?.coolDownAfterClose = configuration.coolDown }
        let pause = sources[peer]?.coolDownAfterClose ?? 0
        sources[peer]?.state = pause == .max ? .shunned : .cooling(until: now.monotonic + pause)
    }

    mutating func peerGone(_ peer: PeerID, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard sources[peer] != nil else { return }
        sources[peer]?.isAnnounced = false
        switch sources[peer]?.state {
        case .opening, .active:
            note(peer, "it left")
            close(peer, coolDown: configuration.coolDown, &effects)
        case .probing, .probed, .leasing:
            sources[peer]?.state = .idle
            decide(now, &effects)
        default: break
        }
    }

    mutating func tick(_ now: Moment, _ effects: inout [FanInEffect]) {
        for peer in sources.keys.sorted() {
            guard let source = sources[peer], let deadline = source.deadline, deadline <= now.monotonic else {
                continue
            }
            switch source.state {
            case .probing, .leasing:
                note(peer, "it did not answer in time")
                sources[peer]?.state = .cooling(until: now.monotonic + configuration.silenceCoolDown)
                decide(now, &effects)
            case .opening:
                if let grant = source.grant {
                    laneFailed(grant.lease, "its lane did not open in time", now, &effects)
                }
            case .active: tickActive(peer, source, now, &effects)
            case .cooling: sources[peer]?.state = .idle
            case .idle, .probed, .closing, .shunned: break
            }
        }
        if now.monotonic >= stallDeadline, !isComplete {
            let hasStalled = now.monotonic >= lastProgress + configuration.stall
            let waited = hasStalled ? configuration.stall : configuration.hopelessStall
            let missing = layout.chunkCount - verified.count
            finish(&effects)
            effects.append(.failed(.stalled(missingChunks: missing, after: waited, lastProblem: lastProblem)))
        }
    }

    private mutating func tickActive(
        _ peer: PeerID, _ source: FanInSource, _ now: Moment, _ effects: inout [FanInEffect]
    ) {
        if let late = source.reads.values.map(\.deadline).min(), late <= now.monotonic {
            note(peer, "a read took longer than its deadline")
            sources[peer]?.tally.failures += 1
            close(peer, coolDown: configuration.coolDown, &effects)
        } else if source.leaseEnd <= now.monotonic {
            note(peer, "its lease was not renewed in time")
            close(peer, coolDown: configuration.coolDown, &effects)
        } else if source.nextRenewal <= now.monotonic, let grant = source.grant {
            sources[peer]?.nextRenewal = source.leaseEnd
            effects.append(.renew(peer, grant.lease))
        }
    }

    mutating func takeRequest() -> UInt64 {
        defer { nextRequest += 1 }
        return nextRequest
    }
}
