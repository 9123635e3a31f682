import Digest
import Records
import Testing
import Transfer

/// A pull among scripted sources on virtual time. It plays the sources and their lanes, and checks at each step what must
/// always hold: one outstanding writer for a chunk, no window exceeded, ticks that get somewhere.
struct FanInWorld {
    private struct Happening {
        let time: UInt64
        let number: Int
        let event: FanInEvent
    }

    private struct Lane {
        let source: Int
        let window: Int
        var isOpened = false
        var isClosing = false
        var isReleased = false
    }

    private struct Bounce: Hashable {
        let lease: LeaseID
        let chunk: Int
    }

    let layout: Layout
    let seed: UInt64
    var sources: [ScriptedSource]
    private(set) var pull: FanIn
    private(set) var now: UInt64 = 0
    private(set) var effects: [FanInEffect] = []
    private(set) var outcome: FanInEffect?
    private var queue: [Happening] = []
    private var happenings = 0
    private var lanes: [LeaseID: Lane] = [:]
    /// Chunks that may still be written where they belong, and by which lease: reads, and bounced bytes that are put in place.
    private var writers: [Int: LeaseID] = [:]
    /// Reads in flight to where their chunks belong.
    private var reads: Set<Bounce> = []
    /// Bounce chunks in use, and whether their read is done.
    private var bounces: [Bounce: Bool] = [:]
    /// Whether the rules of a bounce were ever needed.
    private(set) var placed = 0
    private(set) var readsOf: [Int: [Int]] = [:]

    init(
        chunks: Int, sources: [ScriptedSource], seed: UInt64 = 1, have: [Int] = [],
        configuration: FanInConfiguration = FanInConfiguration(), local: PeerID? = nil
    ) throws {
        self.seed = seed
        self.sources = sources
        layout = try Layout(storages: [Storage(name: "a", size: UInt64(chunks) * 4096)], chunkSize: 4096)
        var there = ChunkSet(chunkCount: chunks)
        for chunk in have { there.insert(chunk) }
        pull = FanIn(
            layout: layout, have: there, configuration: configuration, generator: SeededGenerator(seed: seed),
            now: Moment(monotonic: 0, wall: 0), local: local)
        for (index, source) in sources.enumerated() where source.diesAt != .max { scheduleDeath(of: index) }
    }

    var note: Comment { "seed \(seed), at \(now / Duration64.millisecond) ms" }
    var isOver: Bool { outcome != nil }
    var isComplete: Bool { outcome == .complete }

    func index(of peer: PeerID) -> Int? { sources.indices.first { ScriptedSource.peer($0) == peer } }

    func tally(_ index: Int) -> SourceTally? {
        pull.tallies.first { $0.peer == ScriptedSource.peer(index) }
    }

    /// Leases whose lanes were opened and not told to close, in a fixed order.
    var openLeases: [LeaseID] {
        lanes.keys.sorted().filter { lanes[$0]?.isOpened == true && lanes[$0]?.isClosing == false }
    }

    // MARK: Time

    /// Announces all sources (or those named) and goes on until the pull is over or `limit` is reached.
    mutating func run(announcing indices: [Int]? = nil, limit: UInt64 = 120 * Duration64.second) {
        announce(indices ?? Array(sources.indices))
        while !isOver, step(limit: limit) {}
        // What the pull left behind is cleaned up by lanes that close.
        while !queue.isEmpty, step(limit: .max) {}
        if isOver { checkNothingIsHeld() }
    }

    mutating func announce(_ indices: [Int]) {
        deliver(
            .candidates(
                indices.map {
                    SourceCandidate(
                        peer: ScriptedSource.peer($0), lanes: sources[$0].lanes, isComplete: sources[$0].have == nil,
                        closeness: sources[$0].closeness)
                }))
    }

    /// The next event or tick; false when nothing more happens before `limit`.
    mutating func step(limit: UInt64) -> Bool {
        let deadline = isOver ? UInt64.max : pull.nextDeadline ?? .max
        let next = queue.first
        guard min(deadline, next?.time ?? .max) <= limit else { return false }
        if let next, next.time <= deadline {
            queue.removeFirst()
            now = max(now, next.time)
            deliver(next.event)
            return true
        }
        guard deadline < .max else { return false }
        now = max(now, deadline)
        deliver(.tick)
        let after = pull.nextDeadline ?? .max
        #expect(after > now, "a tick at its deadline must move the deadline on; \(note)")
        return after > now
    }

    mutating func schedule(_ event: FanInEvent, after delay: UInt64) {
        happenings += 1
        let happening = Happening(time: now + delay, number: happenings, event: event)
        let index = queue.firstIndex { ($0.time, $0.number) > (happening.time, happening.number) } ?? queue.endIndex
        queue.insert(happening, at: index)
    }

    private mutating func scheduleDeath(of index: Int) {
        schedule(.peerGone(ScriptedSource.peer(index)), after: sources[index].diesAt)
    }

    // MARK: Events and effects

    mutating func deliver(_ event: FanInEvent) {
        forget(event)
        let result = pull.handle(event, now: Moment(monotonic: now, wall: Int64(now / Duration64.millisecond)))
        effects += result
        for effect in result { perform(effect) }
    }

    private mutating func forget(_ event: FanInEvent) {
        switch event {
        case .verified(let lease, let chunk, _), .placed(let lease, let chunk):
            reads.remove(Bounce(lease: lease, chunk: chunk))
            if writers[chunk] == lease { writers[chunk] = nil }
            if case .placed = event { bounces[Bounce(lease: lease, chunk: chunk)] = nil }
        case .failed(let lease, let chunk, _):
            reads.remove(Bounce(lease: lease, chunk: chunk))
            if writers[chunk] == lease { writers[chunk] = nil }
            if bounces[Bounce(lease: lease, chunk: chunk)] == false {
                bounces[Bounce(lease: lease, chunk: chunk)] = nil
            }
        case .bounced(let lease, let chunk, _):
            if bounces[Bounce(lease: lease, chunk: chunk)] != nil { bounces[Bounce(lease: lease, chunk: chunk)] = true }
        case .laneClosed(let lease):
            for (chunk, owner) in writers where owner == lease && bounces[Bounce(lease: lease, chunk: chunk)] != true {
                writers[chunk] = nil
            }
            // What is in a bounce chunk already outlives its lane.
            for (bounce, isDone) in bounces where bounce.lease == lease && !isDone { bounces[bounce] = nil }
            reads = reads.filter { $0.lease != lease }
            queue.removeAll { $0.event.isRead(of: lease) }
            lanes[lease]?.isClosing = true
        default: break
        }
    }

    private mutating func perform(_ effect: FanInEffect) {
        switch effect {
        case .probe(let peer, let request): answerProbe(peer, request)
        case .requestLease(let peer, let request, let lanes): answerLease(peer, request, lanes)
        case .openLane(let peer, let grant, let offer): open(peer, grant, offer)
        case .read(let lease, let chunk, let place): read(lease, chunk, isBounce: place == .bounce)
        case .place(let lease, let chunk): place(lease, chunk)
        case .dispute: break
        case .dropBounce(let lease, let chunk): bounces[Bounce(lease: lease, chunk: chunk)] = nil
        case .closeLane(let lease):
            lanes[lease]?.isClosing = true
            schedule(.laneClosed(lease), after: 2 * Duration64.millisecond)
        case .renew(let peer, let lease):
            guard let index = alive(peer), sources[index].answersRenewals else { return }
            schedule(
                .renewed(lease, durationMilliseconds: sources[index].leaseMilliseconds), after: sources[index].latency)
        case .release(_, let lease): lanes[lease]?.isReleased = true
        case .complete, .failed:
            #expect(outcome == nil, "a pull ends once; \(note)")
            outcome = effect
        case .releaseReservation, .chunkVerified: break
        }
    }

    private func alive(_ peer: PeerID) -> Int? { index(of: peer).flatMap { now < sources[$0].diesAt ? $0 : nil } }

    private mutating func answerProbe(_ peer: PeerID, _ request: UInt64) {
        guard let index = alive(peer), sources[index].answersProbes else { return }
        let source = sources[index]
        schedule(
            .probeAnswered(
                peer, request: request, freeSlots: source.freeSlots, reserved: now >= source.isBusyUntil,
                haveMap: source.haveMap(layout, at: now)), after: source.latency)
    }

    private mutating func answerLease(_ peer: PeerID, _ request: UInt64, _ wanted: [LaneKind]) {
        guard let index = alive(peer), sources[index].answersLeases else { return }
        let source = sources[index]
        if let refusal = source.refusal {
            schedule(.refused(peer, request: request, refusal, retryAfterMilliseconds: 100), after: source.latency)
            return
        }
        happenings += 1
        let lease = LeaseID(SHA256.digest(Array("lease \(happenings)".utf8)))
        lanes[lease] = Lane(source: index, window: Int(source.window))
        let grant = LeaseGrant(
            lease: lease, manifest: ManifestID(.zero), generation: 1, duration: source.leaseMilliseconds,
            window: source.window, sessionKey: .zero,
            lanes: wanted.map { LaneOffer(kind: $0, address: "x", port: 1) }, haveMap: source.haveMap(layout, at: now))
        schedule(.granted(peer, request: request, grant), after: source.latency)
    }

    private mutating func open(_ peer: PeerID, _ grant: LeaseGrant, _ offer: LaneOffer) {
        lanes[grant.lease]?.isOpened = true
        guard let index = alive(peer) else { return }
        let source = sources[index]
        if source.failingLanes.contains(offer.kind) {
            schedule(.laneFailed(grant.lease, "no way through"), after: source.latency)
            return
        }
        schedule(.laneOpened(grant.lease), after: source.latency)
        for entry in source.later where entry.at > now {
            schedule(.haveDelta(grant.lease, [UInt32(entry.chunk)]), after: entry.at - now)
        }
        if source.diesAt != .max { schedule(.laneClosed(grant.lease), after: source.diesAt - now) }
    }

    private mutating func read(_ lease: LeaseID, _ chunk: Int, isBounce: Bool) {
        #expect(!pull.verified.contains(chunk), "chunk \(chunk) is read though it is there; \(note)")
        guard let lane = lanes[lease] else {
            Issue.record("a read on a lease that nobody granted; \(note)")
            return
        }
        #expect(!lane.isClosing, "no read goes to a lane that was told to close; \(note)")
        if isBounce {
            bounces[Bounce(lease: lease, chunk: chunk)] = false
            let inUse = bounces.keys.count { $0.lease == lease }
            #expect(inUse <= pull.configuration.bounceChunks, "bounce chunks are few; \(note)")
            #expect(bounces.keys.count { $0.chunk == chunk } == 1, "chunk \(chunk) is read twice at most; \(note)")
        } else {
            #expect(writers[chunk] == nil, "chunk \(chunk) has one outstanding writer; \(note)")
            writers[chunk] = lease
            reads.insert(Bounce(lease: lease, chunk: chunk))
            readsOf[lane.source, default: []].append(chunk)
        }
        let inFlight =
            reads.count { $0.lease == lease } + bounces.count { $0.key.lease == lease && !$0.value }
        #expect(inFlight <= lane.window, "the window holds; \(note)")
        let source = sources[lane.source]
        guard source.delivers, now < source.diesAt else { return }
        schedule(
            outcome(of: chunk, lease, source, isBounce),
            after: source.thawed(now + source.readTime * UInt64(inFlight)) - now)
        if source.tellsArrivals, source.failure == nil {
            schedule(
                .arrived(lease, bytes: 2048), after: source.thawed(now + source.readTime * UInt64(inFlight) / 2) - now)
        }
    }

    private func outcome(
        of chunk: Int, _ lease: LeaseID, _ source: ScriptedSource, _ isBounce: Bool
    ) -> FanInEvent {
        if let failure = source.failure { return .failed(lease, chunk: chunk, failure) }
        guard source.haveMap(layout, at: now).contains(chunk) else {
            return .failed(lease, chunk: chunk, .notAvailable)
        }
        return isBounce ? .bounced(lease, chunk: chunk, bytes: 4096) : .verified(lease, chunk: chunk, bytes: 4096)
    }

    private mutating func place(_ lease: LeaseID, _ chunk: Int) {
        #expect(bounces[Bounce(lease: lease, chunk: chunk)] == true, "only bounced bytes are put in place; \(note)")
        #expect(writers[chunk] == nil, "chunk \(chunk) has one outstanding writer; \(note)")
        writers[chunk] = lease
        placed += 1
        schedule(.placed(lease, chunk: chunk), after: Duration64.millisecond)
    }

    private func checkNothingIsHeld() {
        for lease in lanes.keys.sorted() {
            guard let lane = lanes[lease], lane.isOpened else { continue }
            #expect(lane.isClosing && lane.isReleased, "a lease outlives the pull; \(note)")
        }
    }
}

extension FanInEvent {
    fileprivate func isRead(of lease: LeaseID) -> Bool {
        switch self {
        case .verified(let other, _, _), .failed(let other, _, _), .bounced(let other, _, _), .arrived(let other, _):
            other == lease
        default: false
        }
    }
}
