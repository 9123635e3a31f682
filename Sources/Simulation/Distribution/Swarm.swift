import Digest
package import Records
import Transfer

/// Sources and targets on virtual time, with the scheduler and the ledgers of production: hosts with links of their own, requests in
/// order on each connection, control messages with a delay. The same seed gives the same run.
package struct Swarm {
    enum Happening {
        indirect case event(FanInEvent)
        case probe(from: Int, request: UInt64)
        case leaseRequest(from: Int, request: UInt64)
        case releaseReservation(from: Int)
        case renew(from: Int, LeaseID)
        case release(from: Int, LeaseID)
        case request(LeaseID, chunk: Int, isCopy: Bool)
        case laneClosed(LeaseID)
        case tick
        case tell
        case announced
        case refresh
        case start
        case loaded(chunk: Int)
        case kill
        case freeze(Bool)
    }

    struct Scheduled {
        let host: Int
        let happening: Happening
    }

    package let settings: SwarmSettings
    package let layout: Layout
    package internal(set) var hosts: [SwarmHost] = []
    package internal(set) var network = SwarmNetwork()
    package private(set) var now: UInt64 = 0
    package private(set) var events = 0
    /// Rules that were broken: the first ones of each kind, and how many there were.
    package internal(set) var violations: [Violation] = []
    package internal(set) var violationCount = 0
    var violationsOfKind: [Invariant: Int] = [:]
    var trace = TraceHash()
    private var queue = EventQueue<Scheduled>()
    var lanes: [LeaseID: SwarmLane] = [:]
    var leaseOf: [LeaseID] = []
    var indices: [PeerID: Int] = [:]
    var leases = 0
    var generator: SeededGenerator
    var zoneLinks: [Int: Int] = [:]
    var unfinished = 0
    let hasZones: Bool
    /// Targets and origins that a rolling update has not come to yet.
    var waitingTargets: [Int] = []
    var oldOrigins: [Int] = []
    /// Reads in flight at all sources, at most, and how often a source had no place.
    package internal(set) var readsMost = 0
    var reads = 0
    package internal(set) var refusals = 0
    private var steppedTo: UInt64 = 0

    /// - Throws: `WireError` when so many chunks of such a size are no layout.
    package init(_ plans: [SwarmHostPlan], _ settings: SwarmSettings) throws(WireError) {
        self.settings = settings
        hasZones = plans.contains { $0.zone != 0 }
        generator = SeededGenerator(seed: settings.seed)
        layout = try Layout(
            storages: [Storage(name: "a", size: UInt64(settings.chunks) * settings.chunkSize)],
            chunkSize: settings.chunkSize)
        for (index, plan) in plans.enumerated() {
            let peer = PeerID(SHA256.digest(withUnsafeBytes(of: UInt64(index)) { Array($0) }))
            indices[peer] = index
            hosts.append(
                SwarmHost(
                    index: index, peer: peer, plan: plan, up: network.addLink(plan.up),
                    down: network.addLink(plan.down),
                    ledger: SourceLedger(configuration: ledgerSettings, generation: generator.next() >> 16),
                    have: ChunkSet(chunkCount: settings.chunks, full: plan.isOrigin && plan.lie == nil)))
        }
        for index in hosts.indices where !plans[index].isOrigin {
            if let count = settings.acquaintances { acquaint(index, count) }
            if hosts[index].isTarget { unfinished += 1 }
            if settings.rolling == nil || !hosts[index].isTarget {
                schedule(.start, at: index, after: plans[index].startsAt)
            } else {
                waitingTargets.append(index)
            }
        }
        oldOrigins = hosts.indices.filter { plans[$0].isOrigin && plans[$0].lie == nil }
        waitingTargets.reverse()
        for _ in 0..<(settings.rolling ?? 0) { startNext() }
        schedule(.refresh, at: 0, after: 0)
    }

    /// A source that is built wrongly has no bound to its leases.
    private var ledgerSettings: SourceLedger.Configuration {
        var ledger = settings.ledger
        if settings.mutant == .slots { ledger.slots = hosts.count + 4_096 }
        return ledger
    }

    /// Origins, and others at random.
    private mutating func acquaint(_ index: Int, _ count: Int) {
        var known = hosts.indices.filter { $0 != index && !hosts[$0].isTarget }
        if known.count > count {
            for place in 0..<count { known.swapAt(place, Int.random(in: place..<known.count, using: &generator)) }
            known.removeLast(known.count - count)
        }
        var isKnown = Set(known)
        while known.count < min(2 * count, hosts.count - 1) {
            let other = Int(generator.next() % UInt64(hosts.count))
            if other != index, isKnown.insert(other).inserted { known.append(other) }
        }
        hosts[index].acquaintances = known
    }

    package var targets: [SwarmHost] { hosts.filter(\.isTarget) }
    /// Seconds until each target had everything, in order of hosts; those without are not in it.
    package var completions: [Double] { targets.compactMap { $0.doneAt.map { Double($0) / 1e9 } } }
    package var isDone: Bool { targets.allSatisfy { $0.doneAt != nil || $0.isDead } }

    package mutating func kill(_ host: Int, at time: UInt64) { schedule(.kill, at: host, after: time - now) }

    package mutating func freeze(_ host: Int, at time: UInt64, for duration: UInt64 = 1_000 * Duration64.second) {
        schedule(.freeze(true), at: host, after: time - now)
        schedule(.freeze(false), at: host, after: time + duration - now)
    }

    /// Bytes that went over links between zones.
    package var bytesBetweenZones: Double {
        zoneLinks.keys.sorted().reduce(0) { $0 + network.carried[zoneLinks[$1] ?? 0] }
    }

    // MARK: Time

    package mutating func run(limit: UInt64 = 1_000 * Duration64.second) {
        while now < limit, unfinished > 0 {
            let next = queue.nextTime ?? .max
            if network.isBusy {
                let end = steppedTo + settings.step
                if next > end {
                    now = end
                    stepNetwork()
                    continue
                }
            }
            guard let happening = queue.removeFirst() else { return }
            now = max(now, next)
            if !network.isBusy { steppedTo = now }
            events += 1
            take(happening)
        }
    }

    private mutating func stepNetwork() {
        steppedTo = now
        for arrival in network.advance(settings.step, now: now, period: settings.arrivalPeriod) {
            switch arrival {
            case .part(let connection, let bytes):
                let lease = leaseOf[connection]
                guard let lane = lanes[lease] else { continue }
                schedule(.event(.arrived(lease, bytes: bytes)), at: lane.reader, after: settings.latency)
            case .done(let connection, let request):
                let lease = leaseOf[connection]
                guard let lane = lanes[lease] else { continue }
                served(-1, by: lane.source)
                let outcome = outcome(of: request, on: lane)
                if request.isSpoiled, outcome.isSuccess { hosts[lane.reader].spoiled.insert(request.chunk) }
                schedule(.event(outcome), at: lane.reader, after: settings.latency)
            }
        }
    }

    mutating func schedule(_ happening: Happening, at host: Int, after delay: UInt64) {
        queue.insert(Scheduled(host: host, happening: happening), at: now + delay)
    }

    private mutating func take(_ scheduled: Scheduled) {
        let host = scheduled.host
        trace.add(now)
        trace.add(host)
        switch scheduled.happening {
        case .freeze(let isFrozen): return freeze(host, isFrozen)
        case .kill: return kill(host)
        case .refresh: return refresh()
        case .laneClosed(let lease): return laneClosed(lease)
        default: break
        }
        guard !hosts[host].isDead else { return }
        guard !hosts[host].isFrozen else {
            // What comes in is read when it moves again.
            schedule(scheduled.happening, at: host, after: 100 * Duration64.millisecond)
            return
        }
        switch scheduled.happening {
        case .event(let event): deliver(event, to: host)
        case .probe(let from, let request): probed(host, by: from, request)
        case .leaseRequest(let from, let request): grant(request, to: from, by: host)
        case .releaseReservation(let from):
            let peer = hosts[from].peer
            hosts[host].promises[from] = nil
            hosts[host].ledger.releaseReservation(of: peer)
        case .renew(let from, let lease): renew(lease, of: from, by: host)
        case .release(let from, let lease):
            let peer = hosts[from].peer
            _ = hosts[host].ledger.release(lease, by: peer)
        case .request(let lease, let chunk, let isCopy): requested(lease, chunk, isCopy)
        case .tick: tick(host)
        case .tell: tell(host)
        case .announced: hosts[host].isAnnounced = true
        case .start: start(host)
        case .loaded(let chunk): loaded(chunk, host)
        case .freeze, .kill, .refresh, .laneClosed: break
        }
    }

    /// What a host's clocks show.
    var moment: Moment { Moment(monotonic: now, wall: Int64(now / Duration64.millisecond)) }

    mutating func answer(_ event: FanInEvent, to host: Int) {
        schedule(.event(event), at: host, after: settings.latency)
    }
}

extension FanInEvent {
    /// Whether the target takes a read for good.
    var isSuccess: Bool {
        switch self {
        case .verified, .bounced: true
        default: false
        }
    }
}
