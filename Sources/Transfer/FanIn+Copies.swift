import Records

/// A second read of a chunk, into a bounce chunk, since the first one may still land.
struct FanInCopy: Sendable {
    enum State: Sendable {
        /// Under way. Goes to `bounced`, or ends.
        case reading
        /// Verified in its bounce chunk; waits until the first lane has closed. Goes to `placing`, or is dropped.
        case bounced
        /// Being copied to where the chunk belongs.
        case placing
    }

    /// Who may still write to where the chunk belongs; nil once nothing of that can land.
    var first: LeaseID?
    /// Who reads the copy. The bounced bytes outlive this lease.
    let lease: LeaseID
    let peer: PeerID
    let bytes: Int
    var state = State.reading
}

/// The chunks that are expected last are read a second time when that brings them earlier, and so are those of a late source.
extension FanIn {
    /// Gives a source that has nothing else to do the chunk that is expected last, if it is quicker by far.
    mutating func giveCopy(to index: Int, _ now: Moment, _ effects: inout [FanInEffect]) -> Bool {
        guard let grant = sources[index].grant, bounces(of: grant.lease) < configuration.bounceChunks,
            let (chunk, owner) = lastExpected(besides: index, now), let first = sources[owner].grant?.lease
        else { return false }
        let peer = sources[index].candidate.peer
        copies[chunk] = FanInCopy(first: first, lease: grant.lease, peer: peer, bytes: layout.length(ofChunk: chunk))
        sources[owner].tally.hedged += 1
        read(chunk, from: index, isCopy: true, now, &effects)
        return true
    }

    /// Bounce chunks of a lane that are in use.
    private func bounces(of lease: LeaseID) -> Int { copies.isEmpty ? 0 : copies.values.count { $0.lease == lease } }

    private func lastExpected(besides index: Int, _ now: Moment) -> (chunk: Int, owner: Int)? {
        var last: (chunk: Int, owner: Int)?
        var latest = 0.0
        let isEnd = missing.count == 0
        for owner in engaged where owner != index && sources[owner].isActive {
            let source = sources[owner]
            guard source.isLate || isEnd else { continue }
            let rate = source.rate.perSecond
            var owed = 0
            for (position, read) in source.reads.enumerated() {
                owed += read.bytes
                guard !read.isCopy, copies[read.chunk] == nil, has(index, read.chunk) else { continue }
                // Of what is late nobody knows when it comes; what stands last in its queue comes last.
                let seconds =
                    source.isLate
                    ? 1e9 + Double(position)
                    : rate > 0 ? Double(max(owed - source.arrived, 0)) / rate : 0
                if seconds > latest { (last, latest) = ((read.chunk, owner), seconds) }
            }
        }
        guard let last, let ours = sources[index].expectedSeconds(with: layout.length(ofChunk: last.chunk), now),
            ours < latest * configuration.hedgeGain
        else { return nil }
        return last
    }

    mutating func bounced(_ lease: LeaseID, _ chunk: Int, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let index = leases[lease], let read = takeRead(index, chunk, isCopy: true) else {
            effects.append(.dropBounce(lease, chunk: chunk))
            return
        }
        delivered(read, by: index, now)
        progressed(now)
        guard !verified.contains(chunk), let copy = copies[chunk] else {
            copies[chunk] = nil
            effects.append(.dropBounce(lease, chunk: chunk))
            return
        }
        copies[chunk]?.state = .bounced
        if copy.first == nil { place(chunk, &effects) } else { outrun(now, &effects) }
    }

    private mutating func place(_ chunk: Int, _ effects: inout [FanInEffect]) {
        guard let copy = copies[chunk] else { return }
        copies[chunk]?.state = .placing
        effects.append(.place(copy.lease, chunk: chunk))
    }

    mutating func placed(_ lease: LeaseID, _ chunk: Int, _ now: Moment, _ effects: inout [FanInEffect]) {
        guard let copy = copies[chunk], copy.lease == lease, copy.state == .placing else { return }
        copies[chunk] = nil
        guard let index = indices[copy.peer] else { return }
        sources[index].tally.bounced += 1
        land(chunk, bytes: copy.bytes, by: index, now, &effects)
    }

    /// The first read of a chunk is over: it landed, or nothing of it can land any more.
    mutating func firstReadEnded(_ chunk: Int, hasLanded: Bool, _ effects: inout [FanInEffect]) {
        guard let copy = copies[chunk] else { return }
        copies[chunk]?.first = nil
        guard copy.state == .bounced else { return }
        if hasLanded {
            copies[chunk] = nil
            effects.append(.dropBounce(copy.lease, chunk: chunk))
        } else {
            place(chunk, &effects)
        }
    }

    /// Closes lanes of which all that they still owe, or all that is late, lies in bounce chunks. A lane with other reads on time
    /// keeps its chance: closing it would lose what they have brought.
    mutating func outrun(_ now: Moment, _ effects: inout [FanInEffect]) {
        guard !copies.isEmpty else { return }
        for index in engaged where sources[index].isActive {
            let firsts = sources[index].reads.filter { !$0.isCopy }
            let bounced = firsts.count { copies[$0.chunk]?.state == .bounced }
            guard bounced > 0, bounced == firsts.count || sources[index].isLate else { continue }
            sources[index].tally.left = "others brought first what it owed"
            close(index, coolDown: sources[index].isLate ? configuration.coolDown : configuration.recheck, &effects)
        }
    }
}
