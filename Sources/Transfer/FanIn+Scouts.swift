import Records

/// How a pull leaves a source that has nothing more for it as soon as it knows a better one: while all places are taken it asks two
/// others what they have, and gives up a place only for one that has something missing. No clock says that a source is bad, only
/// its have-map and another's: so a pause of a busy machine costs nobody a place.
extension FanIn {
    /// From when on another source is looked for, though all places are taken; nil while all give what they can.
    var wantsScoutSince: UInt64? {
        // One more than places is engaged for a moment, and partial sources must still be told apart.
        guard missing.count > 0, engaged.count == activeSources, activeSources < MissingChunks.places else {
            return nil
        }
        var earliest: UInt64?
        for index in engaged where sources[index].isActive {
            guard let since = sources[index].starvedSince else { continue }
            earliest = min(earliest ?? .max, since + configuration.scoutPatience)
        }
        return earliest
    }

    /// Asks two others, of those that may have a place for us.
    mutating func scout(_ now: Moment, _ effects: inout [FanInEffect]) {
        guard now.monotonic >= nextScout, let since = wantsScoutSince, now.monotonic >= since else { return }
        nextScout = now.monotonic + configuration.scoutPeriod
        var pool = sources.indices.filter {
            sources[$0].mayBeDrawn(now) && !sources[$0].candidate.isFull && !isShutOut($0)
        }
        let draw = takeRequest()
        scoutDraw = draw
        for _ in 0..<2 {
            guard let index = takeOne(from: &pool) else { return }
            probe(index, draw, now, &effects)
        }
    }

    /// A scouted source has a lease for us: the one that has starved for longest yields its place to it.
    mutating func makeRoom(besides newcomer: Int, _ effects: inout [FanInEffect]) {
        let leased = engaged.count { $0 != newcomer && sources[$0].grant != nil && !sources[$0].isClosing }
        guard leased >= activeSources else { return }
        let starved = engaged.filter { index in
            index != newcomer && sources[index].isActive && sources[index].reads.isEmpty
                && sources[index].starvedSince != nil
        }
        guard
            let left = starved.min(by: { (sources[$0].starvedSince ?? 0) < (sources[$1].starvedSince ?? 0) })
        else { return }
        sources[left].tally.left = "it had nothing that we missed, and another had"
        close(left, coolDown: configuration.scoutCoolDown, &effects)
    }
}
