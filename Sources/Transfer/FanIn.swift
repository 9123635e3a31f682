package import Records

/// Reads one manifest's chunks from several sources at once: one shared queue, a window for each source, a failed read goes to
/// another source. Events in, effects out; it never sees a byte.
///
/// Rules: a chunk has one outstanding writer, always; a source is engaged after a probe of two drawn at random (the less
/// loaded wins); a chunk that a source failed to bring in time is read elsewhere only after that lane has said that nothing
/// of it can land any more.
package struct FanIn: Sendable {
    package let layout: Layout
    package let configuration: FanInConfiguration
    package private(set) var verified: ChunkSet
    var sources: [PeerID: FanInSource] = [:]
    var leases: [LeaseID: PeerID] = [:]
    /// Missing chunks that nobody reads, in random order.
    var unassigned: [Int]
    var generator: SeededGenerator
    var nextRequest: UInt64
    var lastProgress: UInt64
    /// Since when every announced source is shunned; nil while one is not.
    var hopelessSince: UInt64?
    var lastProblem = ""
    var isOver = false

    /// `have` are chunks that are there and verified already. Chunks are read in an order that `generator` decides.
    /// Requests are numbered from `firstRequest`, so that several pulls of one peer can tell their answers apart.
    package init(
        layout: Layout, have: ChunkSet, configuration: FanInConfiguration, generator: SeededGenerator, now: Moment,
        firstRequest: UInt64 = 1
    ) {
        self.layout = layout
        self.configuration = configuration
        self.generator = generator
        nextRequest = firstRequest
        verified = have
        unassigned = (0..<layout.chunkCount).filter { !have.contains($0) }
        lastProgress = now.monotonic
        unassigned.shuffle(using: &self.generator)
    }

    package var isComplete: Bool { verified.isFull }

    /// What each source gave, in order of peers.
    package var tallies: [SourceTally] {
        sources.keys.sorted().compactMap { sources[$0]?.tally }.filter { $0.lane != nil || $0.failures > 0 }
    }

    package var nextDeadline: UInt64? {
        guard !isOver else { return nil }
        return min(stallDeadline, sources.values.compactMap(\.deadline).min() ?? .max)
    }

    /// When the pull has waited long enough for progress, or for a source that is not shunned.
    var stallDeadline: UInt64 {
        min(lastProgress + configuration.stall, hopelessSince.map { $0 + configuration.hopelessStall } ?? .max)
    }

    /// Whether every source that is announced gave wrong bytes.
    private var isHopeless: Bool {
        let announced = sources.values.filter(\.isAnnounced)
        return !announced.isEmpty && announced.allSatisfy { if case .shunned = $0.state { true } else { false } }
    }

    package mutating func handle(_ event: FanInEvent, now: Moment) -> [FanInEffect] {
        var effects: [FanInEffect] = []
        guard !isOver else { return effects }
        switch event {
        case .candidates(let candidates): update(candidates)
        case .probeAnswered(let peer, let request, let free, let reserved, let haveMap):
            probeAnswered(peer, request, free, reserved, haveMap, now, &effects)
        case .granted(let peer, let request, let grant): granted(peer, request, grant, now, &effects)
        case .refused(let peer, let request, let code, let retry):
            refused(peer, request, code, retry, now, &effects)
        case .renewed(let lease, let duration): renewed(lease, duration, now)
        case .leaseEnded(let lease, let code): leaseEnded(lease, code, now, &effects)
        case .haveDelta(let lease, let chunks): received(chunks, lease)
        case .laneOpened(let lease): laneOpened(lease)
        case .laneFailed(let lease, let reason): laneFailed(lease, reason, now, &effects)
        case .laneClosed(let lease): laneClosed(lease, now, &effects)
        case .verified(let lease, let chunk, let bytes): verified(lease, chunk, bytes, now, &effects)
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

    // MARK: Going on

    private mutating func advance(_ now: Moment, _ effects: inout [FanInEffect]) {
        guard !isOver else { return }
        if isComplete {
            finish(&effects)
            effects.append(.complete)
            return
        }
        hopelessSince = isHopeless ? hopelessSince ?? now.monotonic : nil
        leaveStarved(&effects)
        engage(now, &effects)
        assign(now, &effects)
    }

    mutating func finish(_ effects: inout [FanInEffect]) {
        isOver = true
        for peer in sources.keys.sorted() {
            guard let source = sources[peer] else { continue }
            switch source.state {
            case .probing, .probed: effects.append(.releaseReservation(peer))
            default: break
            }
            guard let grant = source.grant else { continue }
            if !source.isClosing { effects.append(.closeLane(grant.lease)) }
            effects.append(.release(peer, grant.lease))
        }
    }

    /// Gives each active source reads up to its window, sources in turn so that none takes all that is left.
    private mutating func assign(_ now: Moment, _ effects: inout [FanInEffect]) {
        var open = sources.keys.sorted().filter { sources[$0]?.isActive == true }
        open.shuffle(using: &generator)
        while !open.isEmpty, !unassigned.isEmpty {
            var stillOpen: [PeerID] = []
            for peer in open where assignOne(to: peer, now, &effects) { stillOpen.append(peer) }
            open = stillOpen
        }
    }

    private mutating func assignOne(to peer: PeerID, _ now: Moment, _ effects: inout [FanInEffect]) -> Bool {
        guard let source = sources[peer], let grant = source.grant,
            source.reads.count < min(configuration.window, Int(grant.window)), now.monotonic < source.leaseEnd,
            let index = rarest(for: source)
        else { return false }
        let chunk = unassigned.remove(at: index)
        let deadline = now.monotonic + timeout(for: source, chunk: chunk)
        sources[peer]?.reads[chunk] = FanInSource.Read(started: now.monotonic, deadline: deadline)
        effects.append(.read(grant.lease, chunk: chunk))
        return true
    }

    /// The rarest chunk that the source has, among a sample of the missing; ties are random since the queue is.
    private func rarest(for source: FanInSource) -> Int? {
        let active = sources.values.filter(\.isActive)
        var best: (index: Int, copies: Int)?
        var looked = 0
        for index in unassigned.indices.reversed() where source.haveMap.contains(unassigned[index]) {
            let copies = active.count { $0.haveMap.contains(unassigned[index]) }
            if best.map({ copies < $0.copies }) ?? true { best = (index, copies) }
            looked += 1
            if looked >= configuration.rarestSample || best?.copies == 1 { break }
        }
        return best?.index
    }

    private func timeout(for source: FanInSource, chunk: Int) -> UInt64 {
        guard source.rate > 0 else { return configuration.readTimeout }
        let bytes = Double((source.reads.count + 1) * layout.length(ofChunk: chunk))
        let expected = bytes / source.rate * Double(Duration64.second)
        return max(configuration.readTimeout, UInt64(min(configuration.latenessFactor * expected, 60e9)))
    }

    // MARK: Reads

    private mutating func verified(
        _ lease: LeaseID, _ chunk: Int, _ bytes: Int, _ now: Moment, _ effects: inout [FanInEffect]
    ) {
        guard let peer = leases[lease], let read = sources[peer]?.reads.removeValue(forKey: chunk) else { return }
        sources[peer]?.measured(bytes: bytes, nanoseconds: now.monotonic - read.started)
        sources[peer]?.tally.bytes += UInt64(bytes)
        sources[peer]?.tally.chunks += 1
        lastProgress = now.monotonic
        if verified.insert(chunk) { effects.append(.chunkVerified(chunk)) }
    }

    private mutating func failed(
        _ lease: LeaseID, _ chunk: Int, _ failure: ReadFailure, _ now: Moment, _ effects: inout [FanInEffect]
    ) {
        guard let peer = leases[lease], sources[peer]?.reads.removeValue(forKey: chunk) != nil else { return }
        unassigned.insert(chunk, at: 0)
        sources[peer]?.tally.failures += 1
        switch failure {
        case .sink(let reason):
            finish(&effects)
            effects.append(.failed(.sink(reason)))
        case .notAvailable:
            sources[peer]?.haveMap.remove(chunk)
        case .wrongBytes(let reason):
            note(peer, reason)
            sources[peer]?.wrongChunks += 1
            sources[peer]?.haveMap.remove(chunk)
            if let source = sources[peer], source.wrongChunks >= configuration.wrongChunks {
                close(peer, coolDown: .max, &effects)
            }
        case .lost(let reason):
            // What is lost since we closed the lane says nothing of why we did.
            if sources[peer]?.isClosing == false { note(peer, reason) }
            close(peer, coolDown: configuration.coolDown, &effects)
        }
    }

    mutating func note(_ peer: PeerID, _ problem: String) {
        sources[peer]?.tally.note = problem
        lastProblem = "\(peer.short): \(problem)"
    }
}
