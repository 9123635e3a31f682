import Records

/// One source as a pull sees it.
struct FanInSource: Sendable {
    enum State: Sendable {
        /// Nothing goes on. Goes to `probing` when it is drawn.
        case idle
        /// Asked for its load, as one of a `draw`. Goes to `probed`, `idle` or `cooling`.
        case probing(request: UInt64, draw: UInt64, deadline: UInt64)
        /// Answered a probe and holds a slot for us while the other one drawn is waited for.
        case probed(freeSlots: Int, draw: UInt64)
        /// Asked for a lease. Goes to `opening` or `cooling`.
        case leasing(request: UInt64, deadline: UInt64)
        /// The lane is being opened. Goes to `active` or `closing`.
        case opening(deadline: UInt64)
        /// Reads flow. Goes to `closing`.
        case active
        /// The lane was told to close; its chunks are free when it says that no byte can land any more.
        case closing
        /// Left alone until then; may be drawn again from then on.
        case cooling(until: UInt64)
        /// Gave wrong bytes; not asked again in this pull.
        case shunned
    }

    struct Read: Sendable {
        let chunk: Int
        let bytes: Int
        let started: UInt64
        /// What the source owed when this was asked for, this read included.
        let queued: Int
        /// Goes into a bounce chunk.
        let isCopy: Bool
    }

    var candidate: SourceCandidate
    var state: State = .idle
    var isAnnounced = true
    var tally: SourceTally
    /// Lanes of this source that did not open; the next lease asks for the others first.
    var failedLanes: Set<LaneKind> = []
    var wrongChunks = 0
    var coolDownAfterClose: UInt64 = 0
    /// How often it was busy since it last granted a lease.
    var refusals = 0

    /// How many questions it did not answer in time since it last granted a lease.
    var silences = 0

    // MARK: Of one lease

    var grant: LeaseGrant?
    var lane: LaneKind?
    /// Its place among partial sources; nil for a whole one.
    var place: Int?
    /// What a far source says that it has; its place shows only what we may read there.
    var has: ChunkSet?
    /// In which order chunks of equal rarity are read.
    var turns: [UInt8] = []
    /// Reads in flight, in the order in which they were asked for.
    var reads: [Read] = []
    var bytesInFlight = 0
    /// Bytes of reads in flight that have come already.
    var arrived = 0
    var reportsArrivals = false
    var window = 0
    var rate: RateEstimate
    /// The shortest time from asking to having a chunk, nanoseconds: what is in the wire, and the chunk itself.
    var leastDelay = UInt64.max
    /// When its bytes were counted last, or reads began after a pause.
    var measuredAt: UInt64 = 0
    /// When something came last, or reads began after a pause.
    var progressedAt: UInt64 = 0
    var openedAt: UInt64 = 0
    /// It brought nothing for too long: no new reads.
    var isLate = false
    /// It gets no new reads and is left when those in flight are done; the text says why.
    var retirement: String?
    var starvedSince: UInt64?
    /// Since when a far source has nothing more that we may read there.
    var idleSince: UInt64?
    var leaseEnd: UInt64 = 0
    var nextRenewal: UInt64 = 0

    init(candidate: SourceCandidate, rateMemory: UInt64) {
        self.candidate = candidate
        tally = SourceTally(peer: candidate.peer)
        rate = RateEstimate(memory: rateMemory)
    }

    /// Forgets the last lease.
    mutating func begin(_ grant: LeaseGrant, _ lane: LaneKind, rateMemory: UInt64) {
        self.grant = grant
        self.lane = lane
        place = nil
        has = candidate.closeness == .far ? grant.haveMap : nil
        turns = MissingChunks.turns(ofSlot: Int(grant.slot), among: Int(grant.slots))
        reads = []
        bytesInFlight = 0
        arrived = 0
        reportsArrivals = false
        rate = RateEstimate(memory: rateMemory)
        leastDelay = .max
        isLate = false
        retirement = nil
        starvedSince = nil
        idleSince = nil
        refusals = 0
    }

    // MARK: State

    func mayBeDrawn(_ now: Moment) -> Bool {
        guard isAnnounced, !candidate.lanes.isEmpty else { return false }
        return switch state {
        case .idle: true
        case .cooling(let until): until <= now.monotonic
        default: false
        }
    }

    /// Counts against the number of sources that a pull keeps.
    var isEngaged: Bool {
        switch state {
        case .probing, .probed, .leasing, .opening, .active, .closing: true
        case .idle, .cooling, .shunned: false
        }
    }

    var isActive: Bool { if case .active = state { true } else { false } }
    var isClosing: Bool { if case .closing = state { true } else { false } }
    var isShunned: Bool { if case .shunned = state { true } else { false } }

    /// Gets new reads, if its window allows.
    func isReadable(_ now: Moment) -> Bool {
        isActive && !isLate && retirement == nil && now.monotonic < leaseEnd
    }

    // MARK: Reads

    mutating func begin(_ read: Read, _ now: Moment) {
        if reads.isEmpty {
            measuredAt = now.monotonic
            progressedAt = now.monotonic
            arrived = 0
        }
        reads.append(read)
        bytesInFlight += read.bytes
    }

    /// Takes a read out of flight, whatever became of it.
    mutating func end(_ chunk: Int) -> Read? {
        guard let index = reads.firstIndex(where: { $0.chunk == chunk }) else { return nil }
        let read = reads.remove(at: index)
        bytesInFlight -= read.bytes
        if reads.isEmpty { arrived = 0 }
        return read
    }

    /// Bytes of unfinished reads came. Returns how many of them can be believed.
    mutating func noteArrival(_ bytes: Int, _ now: Moment) -> Int {
        let believed = min(max(bytes, 0), bytesInFlight - min(arrived, bytesInFlight))
        guard believed > 0 else { return 0 }
        reportsArrivals = true
        arrived += believed
        noteProgress(believed, now)
        return believed
    }

    /// All bytes of a read are there; those that arrived before are not counted twice.
    mutating func noteDelivery(of read: Read, _ now: Moment) {
        let known = min(arrived, read.bytes)
        arrived -= known
        leastDelay = min(leastDelay, now.monotonic - read.started)
        noteProgress(read.bytes - known, now)
    }

    private mutating func noteProgress(_ bytes: Int, _ now: Moment) {
        rate.note(bytes: bytes, nanoseconds: now.monotonic - measuredAt)
        measuredAt = now.monotonic
        progressedAt = now.monotonic
        isLate = false
    }

    /// Bytes it still owes, as far as is known.
    var bytesOwed: Int { bytesInFlight - min(arrived, bytesInFlight) }

    /// Seconds until it has brought what it owes and `more`, by its measured rate; nil before anything was measured.
    func expectedSeconds(with more: Int, _ now: Moment) -> Double? {
        let rate = rate.perSecond
        guard rate > 0 else { return nil }
        // What has come since the last count but was not told yet.
        let unseen = reads.isEmpty ? 0 : Double(now.monotonic - measuredAt) / Double(Duration64.second) * rate
        return (max(Double(bytesOwed) - unseen, 0) + Double(more)) / rate
    }

    // MARK: Windows and deadlines

    mutating func widen(_ configuration: FanInConfiguration, chunk: Int) {
        var cap = Double(configuration.leastWindowCap)
        if leastDelay < .max, chunk > 0 {
            let pipe = rate.perSecond * Double(leastDelay) / Double(Duration64.second) / Double(chunk) - 1
            cap = max(cap, configuration.windowFactor * pipe)
        }
        window = min(window + 1, Int(min(cap, Double(grant?.window ?? 0))))
    }

    mutating func narrow() { window = max(window / 2, min(1, window)) }

    /// What it should take at most until something comes again, nanoseconds: lanes that tell of single bytes do so steadily, others
    /// when a read is done, of which several may travel side by side.
    private func expectedSilence(_ configuration: FanInConfiguration) -> Double {
        reportsArrivals
            ? Double(configuration.arrivalPeriod)
            : Double(bytesInFlight) / rate.perSecond * Double(Duration64.second)
    }

    /// When it is late, and when its lane is given up. Only while reads are in flight.
    func deadlines(_ configuration: FanInConfiguration) -> (late: UInt64, dead: UInt64) {
        guard rate.perSecond > 0 else {
            return (progressedAt + configuration.firstLateness, progressedAt + configuration.firstDeadline)
        }
        let silence = expectedSilence(configuration)
        let longest = Double(configuration.longestDeadline)
        let late = max(configuration.leastLateness, UInt64(min(configuration.lateFactor * silence, longest)))
        let dead = max(configuration.leastDeadline, UInt64(min(configuration.deadFactor * silence, longest)))
        return (progressedAt + late, progressedAt + max(dead, late))
    }

    /// Whether a read that is done now was on time, judged against what was queued before it.
    func wasOnTime(_ read: Read, _ now: Moment, _ configuration: FanInConfiguration) -> Bool {
        let rate = rate.perSecond
        guard rate > 0 else { return true }
        let expected = Double(read.queued) / rate * Double(Duration64.second) * configuration.lateFactor
        return Double(now.monotonic - read.started) <= max(expected, Double(configuration.leastLateness))
    }

    func deadline(_ configuration: FanInConfiguration) -> UInt64 {
        switch state {
        case .probing(_, _, let deadline), .leasing(_, let deadline), .opening(let deadline): deadline
        case .active:
            min(
                reads.isEmpty ? .max : isLate ? deadlines(configuration).dead : deadlines(configuration).late,
                min(nextRenewal, leaseEnd))
        case .idle, .probed, .closing, .cooling, .shunned: .max
        }
    }
}
