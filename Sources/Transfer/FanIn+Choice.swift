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
        var pool = sources.indices.filter { sources[$0].mayBeDrawn(now) }
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
            request: request, draw: draw, deadline: now.monotonic + configuration.answerTimeout)
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
            return
        }
        if haveMap.chunkCount != layout.chunkCount {
            note(index, "it tells of \(haveMap.chunkCount) chunks, the manifest has \(layout.chunkCount)")
            if reserved { effects.append(.releaseReservation(peer)) }
            rest(index, .shunned)
            updateHope(now)
        } else if !reserved {
            pass(index, RefusalCode.busy.sentence, pauseWhenBusy(index, configuration.recheck), now)
        } else if !hasMissing(haveMap), haveMap.count > 0 || verified.count > 0 {
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

    private func hasMissing(_ haveMap: ChunkSet) -> Bool {
        // With more than we have it must have something that we miss; else one has to look.
        haveMap.isFull ? missing.count > 0 : haveMap.elements.contains { missing.contains($0) }
    }

    /// The pause that a busy source is given grows with each refusal, and is never quite the same for two readers.
    private mutating func pauseWhenBusy(_ index: Int, _ named: UInt64) -> UInt64 {
        let pause =
            max(named, configuration.recheck) << UInt64(min(sources[index].refusals, configuration.busyDoublings))
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

    private mutating func requestLease(_ index: Int, _ now: Moment, _ effects: inout [FanInEffect]) {
        let request = takeRequest()
        sources[index].state = .leasing(request: request, deadline: now.monotonic + configuration.answerTimeout)
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
            sources[index].tally.left = code.sentence
            let named = min(UInt64(retry) * Duration64.millisecond, configuration.coolDown)
            pause = pauseWhenBusy(index, named)
        } else {
            note(index, code.sentence)
        }
        rest(index, .cooling(until: now.monotonic + pause))
        if let draw { decide(draw, now, &effects) }
    }

    // MARK: Exchange

    /// When a source may have to yield its place.
    var nextExchange: UInt64 {
        guard missing.count > 0, engaged.count >= activeSources else { return .max }
        var next = UInt64.max
        for index in engaged {
            if let since = sources[index].starvedSince, sources[index].isActive {
                next = min(next, since + configuration.starvation)
            }
        }
        return next
    }

    /// Sources without any chunk that is missing may wait for each other; so one of them yields its place when all are taken
    /// and another source can be had. So does one that is much slower than the others, or far while near ones are free.
    mutating func exchange(_ now: Moment, _ effects: inout [FanInEffect]) {
        retire(now, &effects)
        guard missing.count > 0, engaged.count >= activeSources else {
            for index in engaged { sources[index].starvedSince = nil }
            return
        }
        for index in engaged where sources[index].isActive && sources[index].reads.isEmpty {
            if missing.count(at: sources[index].place) > 0 {
                sources[index].starvedSince = nil
            } else if sources[index].starvedSince == nil {
                sources[index].starvedSince = now.monotonic
            }
        }
        yieldStarved(now, &effects)
        swap(now)
    }

    /// Leaves sources that were to finish what they had, and have.
    private mutating func retire(_ now: Moment, _ effects: inout [FanInEffect]) {
        for index in engaged where sources[index].isActive && sources[index].reads.isEmpty {
            guard let reason = sources[index].retirement else { continue }
            sources[index].tally.left = reason
            close(index, coolDown: configuration.coolDown, &effects)
        }
    }

    private mutating func yieldStarved(_ now: Moment, _ effects: inout [FanInEffect]) {
        var starved: Int?
        for index in engaged where sources[index].isActive {
            guard let since = sources[index].starvedSince, now.monotonic >= since + configuration.starvation else {
                continue
            }
            // Another chance: looked at again after as long.
            sources[index].starvedSince = now.monotonic
            starved = starved ?? index
        }
        guard let starved, sources.contains(where: { $0.mayBeDrawn(now) && !$0.candidate.isFull }) else { return }
        sources[starved].tally.left = "it had nothing more that we missed"
        close(starved, coolDown: configuration.starvation, &effects)
    }

    private mutating func swap(_ now: Moment) {
        guard now.monotonic >= min(nextSwap, nextNearing) else { return }
        guard
            let nearest = sources.filter({ $0.mayBeDrawn(now) && !$0.candidate.isFull }).map(\.candidate.closeness)
                .min()
        else { return }
        let measured = engaged.filter { sources[$0].isReadable(now) && sources[$0].rate.perSecond > 0 }
        if now.monotonic >= nextNearing {
            nextNearing = now.monotonic + configuration.nearingPeriod
            let far = measured.filter { sources[$0].candidate.closeness > nearest }
            // One stays: what nobody near has must come from somewhere.
            if far.count > 1, let left = slowest(of: far) { sources[left].retirement = "a nearer source was free" }
        }
        guard now.monotonic >= nextSwap else { return }
        nextSwap = now.monotonic + configuration.swapPeriod
        guard measured.count > 1,
            let left = slowest(of: measured.filter { hasSettled($0, now) && sources[$0].place != nil }),
            sources[left].candidate.closeness >= nearest
        else { return }
        let all = measured.reduce(0) { $0 + sources[$1].rate.perSecond }
        let slow = sources[left].rate.perSecond
        if slow < configuration.swapRatio * (all - slow) / Double(measured.count - 1) {
            sources[left].retirement = "slower than the others, and another was free"
        } else if let full = slowest(
            of: measured.filter {
                hasSettled($0, now) && sources[$0].candidate.isFull && !sources[$0].candidate.isComplete
            })
        {
            sources[full].retirement = "left to others, since it was full and another was free"
        }
    }

    /// Whether a lane has been read from for long enough to judge it.
    private func hasSettled(_ index: Int, _ now: Moment) -> Bool {
        now.monotonic >= sources[index].openedAt + configuration.swapPeriod
    }

    private func slowest(of indices: [Int]) -> Int? {
        indices.min { sources[$0].rate.perSecond < sources[$1].rate.perSecond }
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
