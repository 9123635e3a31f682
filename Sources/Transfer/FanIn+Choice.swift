import Records

/// How a pull finds its sources: it draws two at random, probes both and takes the less loaded one (power of two choices).
extension FanIn {
    mutating func update(_ candidates: [SourceCandidate], _ now: Moment) {
        for index in sources.indices { sources[index].isAnnounced = false }
        for candidate in candidates {
            if let index = indices[candidate.peer] {
                sources[index].candidate = candidate
                sources[index].isAnnounced = true
            } else {
                indices[candidate.peer] = sources.count
                sources.append(FanInSource(candidate: candidate, rateMemory: configuration.rateMemory))
            }
        }
        forgetStrangers(announced: candidates.count)
        nextDraw = 0
        updateHope(now)
    }

    /// Drops sources that went without having mattered, once they are many.
    private mutating func forgetStrangers(announced: Int) {
        guard sources.count > announced + configuration.strangers else { return }
        var moved: [Int: Int] = [:]
        var kept: [FanInSource] = []
        for (index, source) in sources.enumerated() {
            let matters =
                source.isAnnounced || source.isEngaged || source.isShunned || source.tally.chunks > 0
                || source.tally.failures > 0
            guard matters else { continue }
            moved[index] = kept.count
            kept.append(source)
        }
        forgotten += sources.count - kept.count
        sources = kept
        indices = [:]
        for (index, source) in sources.enumerated() { indices[source.candidate.peer] = index }
        engaged = engaged.compactMap { moved[$0] }
        leases = leases.compactMapValues { moved[$0] }
    }

    /// Notes since when every source that is announced gave wrong bytes.
    mutating func updateHope(_ now: Moment) {
        var isHopeless = false
        for source in sources where source.isAnnounced {
            guard source.isShunned else {
                hopelessSince = nil
                return
            }
            isHopeless = true
        }
        hopelessSince = isHopeless ? hopelessSince ?? now.monotonic : nil
    }

    // MARK: Draw

    /// Whether another source could be of use: there is something to read, and a place.
    var wantsSource: Bool { missing.count > 0 && engaged.count < activeSources }

    /// Draws pairs while there are places; when there are no more sources than places, all are asked at once.
    mutating func draw(_ now: Moment, _ effects: inout [FanInEffect]) {
        guard wantsSource, now.monotonic >= nextDraw else { return }
        var pool = sources.indices.filter { sources[$0].mayBeDrawn(now) && !isShutOut($0) }
        // A place is taken by each pair: the one not chosen is let go.
        var places = activeSources - engaged.count
        while places > 0, !pool.isEmpty {
            let draw = takeRequest()
            let isChoice = pool.count > places
            for _ in 0..<(isChoice ? 2 : 1) {
                guard let index = takeOne(from: &pool) else { break }
                probe(index, draw, now, &effects)
            }
            places -= 1
        }
        nextDraw = .max
        for source in sources {
            guard case .cooling(let until) = source.state, source.isAnnounced, until > now.monotonic else { continue }
            nextDraw = min(nextDraw, until)
        }
    }

    private mutating func probe(_ index: Int, _ draw: UInt64, _ now: Moment, _ effects: inout [FanInEffect]) {
        let request = takeRequest()
        engaged.append(index)
        sources[index].state = .probing(
            request: request, draw: draw, deadline: now.monotonic + answerTimeout(index))
        effects.append(.probe(sources[index].candidate.peer, request: request))
    }

    /// One of the pool at random: full ones only when no other is left, the nearest first, whole ones four times as often as partial
    /// ones.
    private mutating func takeOne(from pool: inout [Int]) -> Int? {
        guard let best = pool.map({ rank($0) }).min() else { return nil }
        let tier = pool.indices.filter { rank(pool[$0]) == best }
        let weights = tier.map { sources[pool[$0]].candidate.isComplete ? 4 : 1 }
        var number = Int(generator.next() % UInt64(weights.reduce(0, +)))
        for (position, weight) in zip(tier, weights) {
            if number < weight { return pool.remove(at: position) }
            number -= weight
        }
        return nil
    }

    private func rank(_ index: Int) -> Int {
        let candidate = sources[index].candidate
        return Int(candidate.closeness.rawValue) + (candidate.isFull ? 3 : 0)
    }

    // MARK: Answers

    mutating func probeAnswered(
        _ peer: PeerID, _ request: UInt64, _ free: Int, _ reserved: Bool, _ haveMap: ChunkSet, _ now: Moment,
        _ effects: inout [FanInEffect]
    ) {
        guard let index = indices[peer], case .probing(let asked, let draw, _) = sources[index].state,
            asked == request
        else {
            if reserved { effects.append(.releaseReservation(peer)) }
            // Too late, but alive.
            if let index = indices[peer], case .cooling = sources[index].state { heardBusy(index, now) }
            return
        }
        if haveMap.chunkCount != layout.chunkCount {
            note(index, "it tells of \(haveMap.chunkCount) chunks, the manifest has \(layout.chunkCount)")
            if reserved { effects.append(.releaseReservation(peer)) }
            rest(index, .shunned)
            updateHope(now)
        } else if !reserved {
            heardBusy(index, now)
            pass(index, RefusalCode.busy.sentence, pauseWhenBusy(index, configuration.recheck), now)
        } else if !hasMissing(haveMap, of: index), haveMap.count > 0 || verified.count > 0 {
            effects.append(.releaseReservation(peer))
            pass(index, "it had nothing that we missed", configuration.recheck, now)
        } else {
            sources[index].state = .probed(freeSlots: free, draw: draw)
        }
        decide(draw, now, &effects)
    }

    private mutating func pass(_ index: Int, _ reason: String, _ pause: UInt64, _ now: Moment) {
        sources[index].tally.left = reason
        rest(index, .cooling(until: now.monotonic + pause))
    }

    /// Whether a source with these chunks has one that we miss and may read there.
    private func hasMissing(_ haveMap: ChunkSet, of index: Int) -> Bool {
        if haveMap.isFull, !isRestrained(index) { return missing.count > 0 }
        return haveMap.elements.contains { missing.contains($0) && mayRead($0, from: index) }
    }

    /// The pause that a busy source is given grows with each refusal, and is never quite the same for two readers. Who has another
    /// source leaves the next free place to those who have none.
    private mutating func pauseWhenBusy(_ index: Int, _ named: UInt64) -> UInt64 {
        let isServed = engaged.contains { sources[$0].isActive && sources[$0].starvedSince == nil }
        let doublings = min(sources[index].refusals, isServed ? configuration.busyDoublings : 1)
        let pause = max(named, configuration.recheck) << UInt64(doublings)
        sources[index].refusals += 1
        return pause - pause / 4 + generator.next() % (pause / 2 + 1)
    }

    /// When every probe of a draw is answered or given up, the less loaded of those that answered is asked for a lease.
    mutating func decide(_ draw: UInt64, _ now: Moment, _ effects: inout [FanInEffect]) {
        var probed: [(index: Int, free: Int)] = []
        for index in engaged {
            switch sources[index].state {
            case .probing(_, draw, _): return
            case .probed(let free, draw): probed.append((index, free))
            default: break
            }
        }
        guard let best = probed.max(by: { ($0.free, -rank($0.index)) < ($1.free, -rank($1.index)) }) else { return }
        for other in probed where other.index != best.index {
            let peer = sources[other.index].candidate.peer
            effects.append(.releaseReservation(peer))
            sources[other.index].tally.left =
                "more loaded than \(sources[best.index].candidate.peer.short): \(other.free) free slots, not \(best.free)"
            rest(other.index, .idle)
        }
        sources[best.index].tally.chosen = reason(best.index, best.free, others: probed.count - 1)
        requestLease(best.index, now, &effects)
    }

    private func reason(_ index: Int, _ free: Int, others: Int) -> String {
        let candidate = sources[index].candidate
        return (others > 0 ? "less loaded of two drawn" : "the only one drawn") + ": \(free) free slots, "
            + (candidate.isComplete ? "complete, " : "partial, ") + candidate.closeness.words
    }

    private func answerTimeout(_ index: Int) -> UInt64 {
        configuration.answerTimeout << UInt64(min(sources[index].silences, configuration.answerDoublings))
    }

    private mutating func requestLease(_ index: Int, _ now: Moment, _ effects: inout [FanInEffect]) {
        let request = takeRequest()
        sources[index].state = .leasing(request: request, deadline: now.monotonic + answerTimeout(index))
        let lanes = sources[index].candidate.lanes
        let fresh = lanes.filter { !sources[index].failedLanes.contains($0) }
        if fresh.isEmpty { sources[index].failedLanes = [] }
        effects.append(
            .requestLease(sources[index].candidate.peer, request: request, lanes: fresh.isEmpty ? lanes : fresh))
    }

    mutating func refused(
        _ peer: PeerID, _ request: UInt64, _ code: RefusalCode, _ retry: UInt32, _ now: Moment,
        _ effects: inout [FanInEffect]
    ) {
        guard let index = indices[peer] else { return }
        let draw: UInt64?
        switch sources[index].state {
        case .probing(let asked, let of, _) where asked == request: draw = of
        case .leasing(let asked, _) where asked == request: draw = nil
        default: return
        }
        var pause = configuration.coolDown
        if code == .busy {
            heardBusy(index, now)
            let named = min(UInt64(retry) * Duration64.millisecond, configuration.coolDown)
            pause = pauseWhenBusy(index, named)
        } else {
            note(index, code.sentence)
        }
        rest(index, .cooling(until: now.monotonic + pause))
        if let draw { decide(draw, now, &effects) }
    }
}

extension Closeness {
    var words: String {
        switch self {
        case .sameHost: "same host"
        case .sameZone: "same zone"
        case .far: "another zone"
        }
    }
}
