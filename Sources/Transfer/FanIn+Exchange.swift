import Records

/// How a pull comes to better sources than those it has: a place is given up for another source that can be had.
extension FanIn {
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
