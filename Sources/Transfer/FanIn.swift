package import Records

/// Reads one manifest's chunks from several sources at once: one shared store of missing chunks, a window for each source, a
/// failed read goes to another source. Events in, effects out; it never sees a byte.
///
/// Rules: a chunk has one outstanding writer, always; a source is engaged after a probe of two drawn at random (the less
/// loaded wins); a chunk that a source failed to bring in time is read elsewhere into a bounce chunk, and written to its place
/// only after the first lane has said that nothing of it can land any more.
///
/// Each event costs the same whatever the number of chunks; only a partial source that comes or goes costs a walk over them.
package struct FanIn: Sendable {
    package let layout: Layout
    package let configuration: FanInConfiguration
    package internal(set) var verified: ChunkSet
    /// Bytes of chunks that were read and verified by this pull.
    package internal(set) var bytesVerified: UInt64 = 0
    /// In the order in which they were announced first: nothing depends on the order of a hash.
    var sources: [FanInSource] = []
    var indices: [PeerID: Int] = [:]
    var leases: [LeaseID: Int] = [:]
    /// Sources that are not at rest.
    var engaged: [Int] = []
    var missing: MissingChunks
    /// Chunks that are read a second time.
    var copies: [Int: FanInCopy] = [:]
    var generator: SeededGenerator
    var nextRequest: UInt64
    let started: UInt64
    var lastProgress: UInt64
    /// When a source said last that it is alive and has no place for us.
    var lastBusy: UInt64 = 0
    /// Bytes of unfinished reads that came since.
    var bytesSinceProgress = 0
    /// No source is worth a draw before, unless somebody new is announced.
    var nextDraw: UInt64 = 0
    /// When a slow source, or a far one, may be exchanged next.
    var nextSwap: UInt64
    var nextNearing: UInt64 = 0
    /// Which chunks this peer reads from far; nil when nobody told who it is.
    var share: ZoneShare?
    /// Nearer members than us that did not bring a chunk before we read it from far ourselves.
    var impatience = 0
    var impatientAt: UInt64 = 0
    /// Bytes verified when a far source became idle, or when that was judged last.
    var idleBytes: UInt64?
    /// Since when every announced source is shunned; nil while one is not.
    var hopelessSince: UInt64?
    /// Sources that were announced once and are forgotten.
    var forgotten = 0
    var lastProblem = ""
    var isOver = false

    /// `have` are chunks that are there and verified already. Chunks are read in an order that `generator` decides.
    /// Requests are numbered from `firstRequest`, so that several pulls of one peer can tell their answers apart.
    package init(
        layout: Layout, have: ChunkSet, configuration: FanInConfiguration, generator: SeededGenerator, now: Moment,
        firstRequest: UInt64 = 1, local: PeerID? = nil
    ) {
        self.layout = layout
        self.configuration = configuration
        self.generator = generator
        nextRequest = firstRequest
        verified = have
        missing = MissingChunks(chunkCount: layout.chunkCount, besides: have)
        share = local.map { ZoneShare(local: $0, chunkCount: layout.chunkCount) }
        started = now.monotonic
        lastProgress = now.monotonic
        nextSwap = now.monotonic + configuration.swapPeriod
    }

    package var isComplete: Bool { verified.isFull }

    /// Sources read from at once: as asked for, and as many as can be told apart.
    var activeSources: Int { min(configuration.activeSources, MissingChunks.places) }

    package var nextDeadline: UInt64? {
        guard !isOver else { return nil }
        var deadline = min(stallDeadline, wantsSource ? nextDraw : .max)
        for index in engaged { deadline = min(deadline, sources[index].deadline(configuration)) }
        return min(deadline, nextExchange, nextImpatience)
    }

    /// When the pull has waited long enough for progress, or for a source that is not shunned. One that is told to wait queues:
    /// sources that are busy serve others, who are done some day.
    var stallDeadline: UInt64 {
        let queued = min(lastBusy + configuration.stall, lastProgress + configuration.queueStall)
        let stalled = max(lastProgress + configuration.stall, queued)
        return min(stalled, hopelessSince.map { $0 + configuration.hopelessStall } ?? .max)
    }

    package mutating func handle(_ event: FanInEvent, now: Moment) -> [FanInEffect] {
        var effects: [FanInEffect] = []
        guard !isOver else { return effects }
        switch event {
        case .candidates(let candidates): update(candidates, now)
        case .zone(let members): update(members: members, now)
        case .probeAnswered(let peer, let request, let free, let reserved, let haveMap):
            probeAnswered(peer, request, free, reserved, haveMap, now, &effects)
        case .granted(let peer, let request, let grant): granted(peer, request, grant, now, &effects)
        case .refused(let peer, let request, let code, let retry):
            refused(peer, request, code, retry, now, &effects)
        case .renewed(let lease, let duration): renewed(lease, duration, now)
        case .leaseEnded(let lease, let code): leaseEnded(lease, code, now, &effects)
        case .haveDelta(let lease, let chunks): received(chunks, lease)
        case .laneOpened(let lease): laneOpened(lease, now)
        case .laneFailed(let lease, let reason): laneFailed(lease, reason, now, &effects)
        case .laneClosed(let lease): laneClosed(lease, now, &effects)
        case .arrived(let lease, let bytes): arrived(lease, bytes, now)
        case .verified(let lease, let chunk, _): verified(lease, chunk, now, &effects)
        case .bounced(let lease, let chunk, _): bounced(lease, chunk, now, &effects)
        case .placed(let lease, let chunk): placed(lease, chunk, now, &effects)
        case .failed(let lease, let chunk, let failure): failed(lease, chunk, failure, now, &effects)
        case .peerGone(let peer): peerGone(peer, now, &effects)
        case .tick: tick(now, &effects)
        }
        advance(now, &effects)
        return effects
    }

    /// Ends the pull: every lane is closed and every lease released. Does nothing when the pull is over.
    package mutating func stop() -> [FanInEffect] {
        var effects: [FanInEffect] = []
        if !isOver { finish(&effects) }
        return effects
    }

    private mutating func advance(_ now: Moment, _ effects: inout [FanInEffect]) {
        guard !isOver else { return }
        if isComplete {
            finish(&effects)
            effects.append(.complete)
            return
        }
        growImpatient(now)
        exchange(now, &effects)
        draw(now, &effects)
        assign(now, &effects)
    }

    mutating func finish(_ effects: inout [FanInEffect]) {
        isOver = true
        for chunk in copies.keys.sorted() {
            guard let copy = copies[chunk], copy.state == .bounced else { continue }
            effects.append(.dropBounce(copy.lease, chunk: chunk))
        }
        for index in engaged {
            let source = sources[index]
            switch source.state {
            case .probing, .probed: effects.append(.releaseReservation(source.candidate.peer))
            default: break
            }
            guard let grant = source.grant else { continue }
            if !source.isClosing { effects.append(.closeLane(grant.lease)) }
            effects.append(.release(source.candidate.peer, grant.lease))
        }
    }

    // MARK: Small things

    mutating func takeRequest() -> UInt64 {
        defer { nextRequest += 1 }
        return nextRequest
    }

    mutating func note(_ index: Int, _ problem: String) {
        sources[index].tally.note = problem
        sources[index].tally.left = problem
        lastProblem = "\(sources[index].candidate.peer.short): \(problem)"
    }

    /// A sign of life of a source that has no place for us now.
    mutating func heardBusy(_ index: Int, _ now: Moment) {
        lastBusy = now.monotonic
        sources[index].tally.left = RefusalCode.busy.sentence
        lastProblem = "\(sources[index].candidate.peer.short): \(RefusalCode.busy.sentence)"
    }

    mutating func progressed(_ now: Moment) {
        lastProgress = now.monotonic
        bytesSinceProgress = 0
    }
}
