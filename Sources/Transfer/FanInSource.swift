import Records

/// One source as a pull sees it.
struct FanInSource: Sendable {
    enum State: Sendable {
        /// Nothing goes on. Goes to `probing` when it is drawn.
        case idle
        /// Asked for its load. Goes to `leasing`, `idle` or `cooling`.
        case probing(request: UInt64, deadline: UInt64)
        /// Answered a probe and holds a slot for us while the other one drawn is waited for.
        case probed(freeSlots: Int)
        /// Asked for a lease. Goes to `opening` or `cooling`.
        case leasing(request: UInt64, deadline: UInt64)
        /// The lane is being opened. Goes to `active` or `closing`.
        case opening(deadline: UInt64)
        /// Reads flow. Goes to `closing`.
        case active
        /// The lane was told to close; its chunks are free when it says that no byte can land any more.
        case closing
        /// Left alone until then. Goes to `idle`.
        case cooling(until: UInt64)
        /// Gave wrong bytes; not asked again in this pull.
        case shunned
    }

    struct Read: Sendable {
        let started: UInt64
        let deadline: UInt64
    }

    var candidate: SourceCandidate
    var state: State = .idle
    var grant: LeaseGrant?
    var lane: LaneKind?
    var haveMap: ChunkSet
    var reads: [Int: Read] = [:]
    /// Bytes a second, exponentially weighted; 0 before the first read.
    var rate = 0.0
    var leaseEnd: UInt64 = 0
    var nextRenewal: UInt64 = 0
    var wrongChunks = 0
    var coolDownAfterClose: UInt64 = 0
    /// Lanes of this source that did not open; the next lease asks for the others first.
    var failedLanes: Set<LaneKind> = []
    var isAnnounced = true
    var tally: SourceTally

    init(candidate: SourceCandidate, chunkCount: Int) {
        self.candidate = candidate
        haveMap = ChunkSet(chunkCount: chunkCount)
        tally = SourceTally(peer: candidate.peer)
    }

    /// May be drawn.
    var isAvailable: Bool {
        if case .idle = state { isAnnounced && !candidate.lanes.isEmpty } else { false }
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

    var deadline: UInt64? {
        switch state {
        case .probing(_, let deadline), .leasing(_, let deadline), .opening(let deadline): deadline
        case .cooling(let until): until
        case .active: min(reads.values.map(\.deadline).min() ?? .max, min(nextRenewal, leaseEnd))
        case .idle, .probed, .closing, .shunned: nil
        }
    }

    mutating func measured(bytes: Int, nanoseconds: UInt64) {
        let sample = Double(bytes) / (Double(max(nanoseconds, 1)) / Double(Duration64.second))
        rate = rate == 0 ? sample : 0.7 * rate + 0.3 * sample
    }
}
