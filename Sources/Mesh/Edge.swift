import Records

/// The channel to one peer, and whether that peer is a neighbour: whether each listens to the other's gossip.
struct Edge: Sendable {
    enum Channel: Sendable {
        /// A hello is sent until a welcome comes. Goes to `up`, or ends.
        case greeting
        /// Messages flow. Goes to `down` after too many missed pings.
        case up
        /// Silent. Greeted again; goes to `up` with the next welcome or hello, or ends.
        case down
    }

    enum Membership: Sendable {
        case none
        /// We asked it to be our neighbour, at `since` on the monotonic clock. `isChosen` when we drew it ourselves, and no
        /// other named it.
        case asked(since: UInt64, isChosen: Bool)
        /// `isChosen` when we drew it and asked.
        case neighbour(isChosen: Bool)
    }

    var channel = Channel.greeting
    var membership = Membership.none
    /// The other opened the only channel there is.
    var isInbound = false
    /// Greetings sent at the quick pace.
    var greetings = 0
    /// Pings sent since something was last heard.
    var missed = 0
    /// Pings in a row by which the other sees the membership differently: a message about it was lost.
    var mismatches = 0
    /// When something other than pings and the like came, on the monotonic clock.
    var lastUsed: UInt64
    /// The counter of the neighbour's latest gossip frame; a gap says that some were dropped.
    var heard: UInt64 = 0
    /// The counter of the frame that was last published to it.
    var published: UInt64 = 0
    /// When digests may be exchanged with it again, on the monotonic clock.
    var nextExchange: UInt64 = 0
    /// Its digests were found equal to ours.
    var hasAgreed = false
    /// When it may be told again what it must know to judge others, on the monotonic clock.
    var nextTrust: UInt64 = 0
    /// The latest snapshot of it that was taken, in part or whole: it must not give an older one.
    var snapshot: SnapshotCursor?
    /// Refused frames that an honest neighbour would not have sent.
    var strikes = 0
    /// Bytes that it may still be given.
    var gives: RateBucket
    /// Questions of it that may still be answered.
    var questions: RateBucket
    /// Chains from it that may still turn out to be worth nothing.
    var doubts: RateBucket
    /// By how much its wall clock is ahead of ours, less the way of a frame, milliseconds; from its own beacons.
    var clockOffset: Int64?

    init(configuration: MeshConfiguration, now: UInt64) {
        lastUsed = now
        gives = RateBucket(perSecond: configuration.giveRate, burst: configuration.giveBurst)
        questions = RateBucket(perSecond: configuration.questionRate, burst: configuration.questionBurst)
        doubts = RateBucket(perSecond: configuration.doubtRate, burst: configuration.doubtBurst)
    }

    /// The counter of the frame that is published to it now.
    mutating func nextCounter() -> UInt64 {
        published += 1
        return published
    }

    /// Takes a frame's head from a neighbour; gives how many frames before it were dropped, nil from anybody else.
    mutating func heard(_ head: GossipHead) -> UInt64? {
        guard isNeighbour else { return nil }
        missed = 0
        // A counter that goes back is that of a subscription begun anew.
        defer { heard = head.counter }
        return head.counter > heard ? head.counter - heard - 1 : 0
    }

    var isNeighbour: Bool { if case .neighbour = membership { true } else { false } }
    var isAsked: Bool { if case .asked = membership { true } else { false } }
    /// A neighbour, or one that was asked, that nobody but we ourselves put there.
    var isChosen: Bool {
        switch membership {
        case .asked(_, let isChosen), .neighbour(let isChosen): isChosen
        case .none: false
        }
    }
    var isStranger: Bool { if case .none = membership { true } else { false } }
}
