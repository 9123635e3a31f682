import Records

/// Who reads which chunk, and what becomes of it.
extension FanIn {
    // MARK: Assignment

    /// Gives each source reads up to its window, sources in turn so that none takes all that is left. Sources that find nothing to
    /// read help with what is expected last.
    mutating func assign(_ now: Moment, _ effects: inout [FanInEffect]) {
        let count = engaged.count
        guard count > 0 else { return }
        let first = count > 1 ? Int(generator.next() % UInt64(count)) : 0
        var hasGiven = true
        while hasGiven {
            hasGiven = false
            for offset in 0..<count {
                let index = engaged[(first + offset) % count]
                guard hasRoom(index, now) else { continue }
                if giveRead(to: index, now, &effects) || giveCopy(to: index, now, &effects) { hasGiven = true }
            }
        }
    }

    private func hasRoom(_ index: Int, _ now: Moment) -> Bool {
        sources[index].reads.count < sources[index].window && sources[index].isReadable(now)
    }

    private mutating func giveRead(to index: Int, _ now: Moment, _ effects: inout [FanInEffect]) -> Bool {
        let (place, turns) = (sources[index].place, sources[index].turns)
        guard let chunk = missing.rarest(at: place, turns: turns, using: &generator),
            isWorthReading(chunk, from: index, now)
        else { return false }
        missing.remove(chunk)
        read(chunk, from: index, isCopy: false, now, &effects)
        return true
    }

    /// Whether the source would bring the chunk before the others that have it are through with everything that is missing. So at
    /// the end of a transfer nobody waits for a slow source, and no source idles that could still help.
    private func isWorthReading(_ chunk: Int, from index: Int, _ now: Moment) -> Bool {
        let bytes = layout.length(ofChunk: chunk)
        guard let seconds = sources[index].expectedSeconds(with: bytes, now) else { return true }
        var others = 0
        for other in engaged where other != index && sources[other].isReadable(now) && has(other, chunk) {
            let rate = sources[other].rate.perSecond
            guard rate > 0, let busy = sources[other].expectedSeconds(with: 0, now) else { continue }
            let chunks = (seconds * configuration.lookAheadMargin - busy) * rate / Double(layout.chunkSize)
            if chunks >= 1 { others += Int(min(chunks, Double(missing.count))) }
            if others >= missing.count { return false }
        }
        return true
    }

    mutating func read(_ chunk: Int, from index: Int, isCopy: Bool, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let grant = sources[index].grant else { return }
        let bytes = layout.length(ofChunk: chunk)
        sources[index].begin(
            FanInSource.Read(
                chunk: chunk, bytes: bytes, started: now.monotonic, queued: sources[index].bytesOwed + bytes,
                isCopy: isCopy), now)
        sources[index].starvedSince = nil
        effects.append(.read(grant.lease, chunk: chunk, into: isCopy ? .bounce : .destination))
    }

    // MARK: Outcomes

    mutating func arrived(_ lease: LeaseID, _ bytes: Int, _ now: Moment) {
        guard let index = leases[lease] else { return }
        bytesSinceProgress += sources[index].noteArrival(bytes, now)
        if bytesSinceProgress >= configuration.leastProgress { progressed(now) }
    }

    mutating func verified(_ lease: LeaseID, _ chunk: Int, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let index = leases[lease], let read = takeRead(index, chunk, isCopy: false) else { return }
        delivered(read, by: index, now)
        land(chunk, bytes: read.bytes, by: index, now, &effects)
        firstReadEnded(chunk, hasLanded: true, &effects)
        outrun(now, &effects)
    }

    /// The read of this kind that is in flight there; nil for what was never asked for or has ended.
    func takesRead(_ index: Int, _ chunk: Int, isCopy: Bool) -> Bool {
        sources[index].reads.contains { $0.chunk == chunk && $0.isCopy == isCopy }
    }

    mutating func takeRead(_ index: Int, _ chunk: Int, isCopy: Bool) -> FanInSource.Read? {
        takesRead(index, chunk, isCopy: isCopy) ? sources[index].end(chunk) : nil
    }

    mutating func delivered(_ read: FanInSource.Read, by index: Int, _ now: Moment) {
        sources[index].noteDelivery(of: read, now)
        if sources[index].wasOnTime(read, now, configuration) {
            sources[index].widen(configuration, chunk: Int(layout.chunkSize))
        } else {
            sources[index].narrow()
        }
        sources[index].tally.lastActiveAt = now.monotonic - started
    }

    /// The chunk lies verified where it belongs.
    mutating func land(_ chunk: Int, bytes: Int, by index: Int, _ now: Moment, _ effects: inout [FanInEffect]) {
        progressed(now)
        guard verified.insert(chunk) else { return }
        sources[index].tally.bytes += UInt64(bytes)
        sources[index].tally.chunks += 1
        bytesVerified += UInt64(bytes)
        effects.append(.chunkVerified(chunk))
    }

    mutating func failed(
        _ lease: LeaseID, _ chunk: Int, _ failure: ReadFailure, _ now: Moment, _ effects: inout [FanInEffect]
    ) {
        if case .sink(let reason) = failure, isOurs(lease, chunk) {
            if let index = leases[lease] { sources[index].tally.failures += 1 }
            finish(&effects)
            effects.append(.failed(.sink(reason)))
            return
        }
        guard let index = leases[lease], let read = sources[index].end(chunk) else { return }
        sources[index].tally.failures += 1
        switch failure {
        case .sink: break
        case .notAvailable:
            sources[index].narrow()
            sources[index].progressedAt = now.monotonic
            lacks(index, chunk, &effects)
        case .wrongBytes(let reason):
            note(index, reason)
            effects.append(.dispute(sources[index].candidate.peer, lease, chunk: chunk))
            sources[index].arrived -= min(sources[index].arrived, read.bytes)
            sources[index].progressedAt = now.monotonic
            sources[index].wrongChunks += 1
            if sources[index].wrongChunks >= configuration.wrongChunks {
                close(index, coolDown: .max, &effects)
            } else {
                lacks(index, chunk, &effects)
            }
        case .lost(let reason):
            // What is lost since we closed the lane says nothing of why we did.
            if !sources[index].isClosing { note(index, reason) }
            close(index, coolDown: configuration.coolDown, &effects)
        }
        lost(read, &effects)
        outrun(now, &effects)
    }

    /// Whether this chunk is read, or put in its place, for this lease.
    private func isOurs(_ lease: LeaseID, _ chunk: Int) -> Bool {
        if let index = leases[lease], sources[index].reads.contains(where: { $0.chunk == chunk }) { return true }
        return copies[chunk].map { $0.lease == lease && $0.state == .placing } ?? false
    }

    /// A read ended without bringing anything.
    mutating func lost(_ read: FanInSource.Read, _ effects: inout [FanInEffect]) {
        if read.isCopy {
            let copy = copies.removeValue(forKey: read.chunk)
            if copy?.first == nil, !verified.contains(read.chunk) { missing.insert(read.chunk) }
        } else if copies[read.chunk] != nil {
            firstReadEnded(read.chunk, hasLanded: false, &effects)
        } else if !verified.contains(read.chunk) {
            missing.insert(read.chunk)
        }
    }
}
