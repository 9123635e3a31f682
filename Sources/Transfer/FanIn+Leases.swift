import Records

/// How a pull opens, renews and leaves the lanes of its sources.
extension FanIn {
    mutating func granted(
        _ peer: PeerID, _ request: UInt64, _ grant: LeaseGrant, _ now: Moment, _ effects: inout [FanInEffect]
    ) {
        guard let index = indices[peer], case .leasing(let asked, _) = sources[index].state, asked == request else {
            effects.append(.release(peer, grant.lease))
            return
        }
        let usable = sources[index].candidate.lanes.filter { !sources[index].failedLanes.contains($0) }
        let offers = usable.compactMap { lane in grant.lanes.first { $0.kind == lane } }
        guard let offer = offers.first, grant.haveMap.chunkCount == layout.chunkCount, grant.window > 0,
            leases[grant.lease] == nil
        else {
            effects.append(.release(peer, grant.lease))
            note(index, RefusalCode.noLane.sentence)
            rest(index, .cooling(until: now.monotonic + configuration.coolDown))
            return
        }
        sources[index].silences = 0
        sources[index].begin(grant, offer.kind, rateMemory: configuration.rateMemory)
        if !grant.haveMap.isFull || isRestrained(index) {
            sources[index].place = missing.takePlace(permitted(grant.haveMap, from: index))
        }
        leases[grant.lease] = index
        sources[index].window = min(configuration.firstWindow, Int(grant.window))
        sources[index].tally.lane = offer.kind
        if !sources[index].tally.lanes.contains(offer.kind) { sources[index].tally.lanes.append(offer.kind) }
        if sources[index].tally.engagedAt == nil { sources[index].tally.engagedAt = now.monotonic - started }
        sources[index].tally.left = ""
        let patience = offer.kind == .ucx ? configuration.ucxOpenTimeout : configuration.openTimeout
        sources[index].state = .opening(deadline: now.monotonic + patience)
        setLeaseTimes(index, grant.duration, now)
        effects.append(.openLane(peer, grant, offer))
    }

    mutating func renewed(_ lease: LeaseID, _ duration: UInt32, _ now: Moment) {
        guard let index = leases[lease] else { return }
        setLeaseTimes(index, duration, now)
    }

    /// The reader renews at half the lease and stops at three quarters of it unless renewed (transfer.md).
    private mutating func setLeaseTimes(_ index: Int, _ duration: UInt32, _ now: Moment) {
        let life = UInt64(duration) * Duration64.millisecond
        sources[index].nextRenewal = now.monotonic + life / 2
        sources[index].leaseEnd = now.monotonic + life / 4 * 3
    }

    mutating func leaseEnded(_ lease: LeaseID, _ code: RefusalCode, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let index = leases[lease] else { return }
        note(index, code.sentence)
        close(index, coolDown: configuration.coolDown, &effects)
    }

    mutating func received(_ chunks: [UInt32], _ lease: LeaseID) {
        guard let index = leases[lease], let place = sources[index].place else { return }
        for chunk in chunks {
            sources[index].has?.insert(Int(chunk))
            if mayRead(Int(chunk), from: index) { missing.add(Int(chunk), to: place) }
        }
    }

    /// What a source turned out not to have, whatever it said.
    mutating func lacks(_ index: Int, _ chunk: Int, _ effects: inout [FanInEffect]) {
        if sources[index].place == nil, !sources[index].isClosing {
            let all = ChunkSet(chunkCount: layout.chunkCount, full: true)
            sources[index].place = missing.takePlace(permitted(all, from: index))
            if sources[index].place == nil { return close(index, coolDown: configuration.coolDown, &effects) }
        }
        sources[index].has?.remove(chunk)
        if let place = sources[index].place { missing.take(chunk, from: place) }
    }

    func has(_ index: Int, _ chunk: Int) -> Bool { sources[index].place.map { missing.has(chunk, at: $0) } ?? true }

    // MARK: Lanes

    mutating func laneOpened(_ lease: LeaseID, _ now: Moment) {
        guard let index = leases[lease], case .opening = sources[index].state else { return }
        sources[index].state = .active
        sources[index].openedAt = now.monotonic
    }

    mutating func laneFailed(_ lease: LeaseID, _ reason: String, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let index = leases[lease], !sources[index].isClosing else { return }
        note(index, reason)
        guard case .opening = sources[index].state, let lane = sources[index].lane else {
            close(index, coolDown: configuration.coolDown, &effects)
            return
        }
        sources[index].failedLanes.insert(lane)
        sources[index].tally.failures += 1
        // Another lane of the same source may work at once; after the last one it is left alone.
        let hasOther = !sources[index].candidate.lanes.allSatisfy(sources[index].failedLanes.contains)
        close(index, coolDown: hasOther ? 0 : configuration.coolDown, &effects)
    }

    /// Tells the lane to close; its chunks stay assigned until `laneClosed`.
    mutating func close(_ index: Int, coolDown: UInt64, _ effects: inout [FanInEffect]) {
        guard let grant = sources[index].grant, !sources[index].isClosing else { return }
        sources[index].state = .closing
        sources[index].coolDownAfterClose = coolDown
        giveUpPlace(index)
        effects.append(.closeLane(grant.lease))
    }

    private mutating func giveUpPlace(_ index: Int) {
        guard let place = sources[index].place else { return }
        missing.freePlace(place)
        sources[index].place = nil
    }

    mutating func laneClosed(_ lease: LeaseID, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let index = leases.removeValue(forKey: lease) else { return }
        if !sources[index].isClosing {
            sources[index].coolDownAfterClose = configuration.coolDown
            giveUpPlace(index)
        }
        let reads = sources[index].reads
        sources[index].reads = []
        sources[index].bytesInFlight = 0
        sources[index].arrived = 0
        sources[index].grant = nil
        effects.append(.release(sources[index].candidate.peer, lease))
        for read in reads { lost(read, &effects) }
        let pause = sources[index].coolDownAfterClose
        rest(index, pause == .max ? .shunned : .cooling(until: now.monotonic + pause))
        if pause == .max { updateHope(now) }
    }

    /// The source is engaged no longer.
    mutating func rest(_ index: Int, _ state: FanInSource.State) {
        sources[index].state = state
        engaged.removeAll { $0 == index }
        nextDraw = 0
    }

    mutating func peerGone(_ peer: PeerID, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let index = indices[peer] else { return }
        sources[index].isAnnounced = false
        switch sources[index].state {
        case .opening, .active:
            note(index, "it left")
            close(index, coolDown: configuration.coolDown, &effects)
        case .probing(_, let draw, _), .probed(_, let draw):
            rest(index, .idle)
            decide(draw, now, &effects)
        case .leasing: rest(index, .idle)
        default: break
        }
        updateHope(now)
    }

    // MARK: Time

    mutating func tick(_ now: Moment, _ effects: inout [FanInEffect]) {
        forgiveOversleep(now)
        for index in engaged where sources[index].deadline(configuration) <= now.monotonic {
            switch sources[index].state {
            case .probing(_, let draw, _):
                unanswered(index, now)
                decide(draw, now, &effects)
            case .leasing: unanswered(index, now)
            case .opening:
                if let grant = sources[index].grant {
                    laneFailed(grant.lease, "its lane did not open in time", now, &effects)
                }
            case .active: tickActive(index, now, &effects)
            case .idle, .probed, .closing, .cooling, .shunned: break
            }
        }
        if now.monotonic >= stallDeadline, !isComplete { stalled(now, &effects) }
    }

    /// Whoever slept too long himself can't say that others were silent: what they sent meanwhile is not read yet.
    private mutating func forgiveOversleep(_ now: Moment) {
        guard let due = nextDeadline, now.monotonic > due + configuration.leastLateness else { return }
        for index in engaged { sources[index].progressedAt = now.monotonic }
    }

    private mutating func unanswered(_ index: Int, _ now: Moment) {
        note(index, "it did not answer in time")
        sources[index].silences += 1
        rest(index, .cooling(until: now.monotonic + configuration.silenceCoolDown))
    }

    private mutating func stalled(_ now: Moment, _ effects: inout [FanInEffect]) {
        let hasStalled = now.monotonic >= lastProgress + configuration.stall
        let waited = hasStalled ? now.monotonic - lastProgress : configuration.hopelessStall
        let absent = layout.chunkCount - verified.count
        finish(&effects)
        effects.append(.failed(.stalled(missingChunks: absent, after: waited, lastProblem: lastProblem)))
    }

    private mutating func tickActive(_ index: Int, _ now: Moment, _ effects: inout [FanInEffect]) {
        let source = sources[index]
        if !source.reads.isEmpty {
            let (late, dead) = source.deadlines(configuration)
            if dead <= now.monotonic {
                note(
                    index, "it brought nothing for \((now.monotonic - source.progressedAt) / Duration64.millisecond) ms"
                )
                sources[index].tally.failures += 1
                return close(index, coolDown: configuration.coolDown, &effects)
            }
            if late <= now.monotonic, !source.isLate {
                sources[index].isLate = true
                sources[index].tally.late += 1
                sources[index].narrow()
                outrun(now, &effects)
            }
        }
        if source.leaseEnd <= now.monotonic {
            note(index, "its lease was not renewed in time")
            close(index, coolDown: configuration.coolDown, &effects)
        } else if source.nextRenewal <= now.monotonic, let grant = source.grant {
            sources[index].nextRenewal = source.leaseEnd
            effects.append(.renew(source.candidate.peer, grant.lease))
        }
    }
}
