import Digest
import Records
import Transfer

/// The part of a swarm's hosts as targets: the scheduler of production, and a shell of numbers.
extension Swarm {
    mutating func start(_ host: Int) {
        hosts[host].startedAt = now
        if let disk = hosts[host].plan.disk { return load(host, disk) }
        hosts[host].pull = FanIn(
            layout: layout, have: hosts[host].have, configuration: settings.fanIn,
            generator: SeededGenerator(seed: generator.next()), now: moment,
            local: hosts[host].peer)
        if hosts[host].plan.isServing, settings.announcesEmpty {
            schedule(.announced, at: host, after: settings.gossip)
        }
        look(host)
    }

    /// Chunks come from disk one after the other, and each can be read by others at once.
    private mutating func load(_ host: Int, _ bytesPerSecond: Double) {
        schedule(.announced, at: host, after: settings.gossip)
        let period = Double(settings.chunkSize) / bytesPerSecond * 1e9
        for chunk in 0..<settings.chunks {
            schedule(.loaded(chunk: chunk), at: host, after: UInt64(Double(chunk + 1) * period))
        }
    }

    mutating func loaded(_ chunk: Int, _ host: Int) {
        became(chunk, host)
        if hosts[host].have.isFull { hosts[host].doneAt = now }
    }

    /// The next one of a rolling update begins.
    mutating func startNext() {
        guard let host = waitingTargets.popLast() else { return }
        schedule(.start, at: host, after: 0)
    }

    /// Everybody looks at what is announced, and how loaded it is.
    mutating func refresh() {
        for host in hosts.indices where hosts[host].pull != nil && !hosts[host].isDead && !hosts[host].isFrozen {
            if hosts[host].doneAt == nil { look(host) }
        }
        if unfinished > 0 { schedule(.refresh, at: 0, after: settings.refresh) }
    }

    private mutating func look(_ host: Int) {
        if hasZones { deliver(.zone(neighbours(of: host)), to: host) }
        deliver(.candidates(candidates(of: host)), to: host)
    }

    /// Those of its zone that fill themselves as well.
    private func neighbours(of host: Int) -> [PeerID] {
        let known = hosts[host].acquaintances ?? Array(hosts.indices)
        return known.filter { other in
            other != host && hosts[other].isAnnounced && !hosts[other].have.isFull
                && hosts[other].plan.zone == hosts[host].plan.zone
        }.map { hosts[$0].peer }
    }

    func candidates(of host: Int) -> [SourceCandidate] {
        var candidates: [SourceCandidate] = []
        let known = hosts[host].acquaintances ?? Array(hosts.indices)
        let zone = hosts[host].plan.zone
        for other in known where other != host && hosts[other].isAnnounced {
            candidates.append(
                SourceCandidate(
                    peer: hosts[other].peer, lanes: Self.lanes,
                    isComplete: hosts[other].have.isFull || hosts[other].isLiar,
                    closeness: hosts[other].plan.zone == zone ? .sameZone : .far,
                    isFull: !hosts[other].isLiar && hosts[other].ledger.slotsInUse >= settings.ledger.slots))
        }
        return candidates
    }

    private static let lanes = [LaneKind.tcp]

    mutating func tick(_ host: Int) {
        guard hosts[host].tickAt <= now else { return }
        hosts[host].tickAt = .max
        if let deadline = hosts[host].pull?.nextDeadline, deadline <= now {
            deliver(.tick, to: host)
        } else {
            wake(host)
        }
    }

    private mutating func wake(_ host: Int) {
        guard let deadline = hosts[host].pull?.nextDeadline, deadline < hosts[host].tickAt else { return }
        hosts[host].tickAt = max(deadline, now + 1)
        schedule(.tick, at: host, after: hosts[host].tickAt - now)
    }

    mutating func deliver(_ event: FanInEvent, to host: Int) {
        guard hosts[host].pull != nil else { return }
        noteEnd(event, host)
        let moment = moment
        let effects = hosts[host].pull?.handle(event, now: moment) ?? []
        for effect in effects { perform(effect, of: host) }
        wake(host)
    }

    private mutating func noteEnd(_ event: FanInEvent, _ host: Int) {
        switch event {
        case .verified(let lease, let chunk, _), .failed(let lease, let chunk, _):
            if hosts[host].writers[chunk] == lease { hosts[host].writers[chunk] = nil }
            hosts[host].readsOf[lease, default: 1] -= 1
        case .bounced(let lease, _, _): hosts[host].readsOf[lease, default: 1] -= 1
        case .placed(let lease, let chunk):
            if hosts[host].writers[chunk] == lease { hosts[host].writers[chunk] = nil }
        default: break
        }
    }

    private mutating func perform(_ effect: FanInEffect, of host: Int) {
        switch effect {
        case .probe(let peer, let request): send(.probe(from: host, request: request), to: peer)
        case .releaseReservation(let peer): send(.releaseReservation(from: host), to: peer)
        case .requestLease(let peer, let request, _): send(.leaseRequest(from: host, request: request), to: peer)
        case .openLane(let peer, let grant, _): openLane(peer, grant, reader: host)
        case .read(let lease, let chunk, let place): read(lease, chunk, place, host)
        case .place(let lease, let chunk):
            claim(chunk, lease, host)
            schedule(.event(.placed(lease, chunk: chunk)), at: host, after: Duration64.millisecond)
        case .dropBounce, .dispute: break
        case .closeLane(let lease): closeLane(lease)
        case .renew(let peer, let lease): send(.renew(from: host, lease), to: peer)
        case .release(let peer, let lease): send(.release(from: host, lease), to: peer)
        case .chunkVerified(let chunk): became(chunk, host)
        case .complete: completed(host)
        case .failed(let failure): violated(.completion, host, "its pull failed: \(failure)")
        }
    }

    private mutating func completed(_ host: Int) {
        hosts[host].doneAt = now
        unfinished -= 1
        if !hosts[host].spoiled.isEmpty {
            violated(.content, host, "it calls itself complete with \(hosts[host].spoiled.count) chunks of wrong bytes")
        }
        guard settings.rolling != nil else { return }
        if !oldOrigins.isEmpty {
            schedule(.kill, at: oldOrigins.removeFirst(), after: settings.gossip)
        }
        startNext()
    }

    private mutating func send(_ happening: Happening, to peer: PeerID) {
        guard let host = indices[peer] else { return }
        schedule(happening, at: host, after: settings.latency)
    }

    private mutating func openLane(_ peer: PeerID, _ grant: LeaseGrant, reader: Int) {
        guard let source = indices[peer] else { return }
        let between = zoneLink(hosts[source].plan.zone, hosts[reader].plan.zone)
        let connection = network.open(up: hosts[source].up, down: hosts[reader].down, between: between)
        leaseOf.append(grant.lease)
        lanes[grant.lease] = SwarmLane(
            lease: grant.lease, source: source, reader: reader, connection: connection, window: Int(grant.window))
        guard !hosts[source].isDead, !hosts[source].isFrozen else { return }
        schedule(.event(.laneOpened(grant.lease)), at: reader, after: 2 * settings.latency)
    }

    private mutating func zoneLink(_ from: Int, _ to: Int) -> Int {
        guard let capacity = settings.zoneLink, from != to else { return -1 }
        let key = from * 1_000 + to
        if let link = zoneLinks[key] { return link }
        let link = network.addLink(capacity)
        zoneLinks[key] = link
        return link
    }

    private mutating func claim(_ chunk: Int, _ lease: LeaseID, _ host: Int) {
        if hosts[host].writers[chunk] != nil { violated(.writers, host, "two lanes may write chunk \(chunk)") }
        hosts[host].writers[chunk] = lease
    }

    private mutating func read(_ lease: LeaseID, _ chunk: Int, _ place: ReadPlace, _ host: Int) {
        // Built wrongly, a copy goes straight to where the chunk belongs.
        if place == .destination || settings.mutant == .writers { claim(chunk, lease, host) }
        hosts[host].readsOf[lease, default: 0] += 1
        guard let lane = lanes[lease] else { return }
        if hosts[host].readsOf[lease, default: 0] > lane.window {
            violated(.window, host, "more reads are in flight than its lease with host\(lane.source) allows")
        }
        schedule(.request(lease, chunk: chunk, isCopy: place == .bounce), at: lane.source, after: settings.latency)
    }

    mutating func closeLane(_ lease: LeaseID) {
        guard let lane = lanes[lease], !lane.isClosing else { return }
        lanes[lease]?.isClosing = true
        closeConnection(lane)
        schedule(.laneClosed(lease), at: lane.reader, after: Duration64.millisecond)
    }

    mutating func laneClosed(_ lease: LeaseID) {
        guard let lane = lanes.removeValue(forKey: lease) else { return }
        for (chunk, owner) in hosts[lane.reader].writers where owner == lease {
            hosts[lane.reader].writers[chunk] = nil
        }
        hosts[lane.reader].readsOf[lease] = nil
        deliver(.laneClosed(lease), to: lane.reader)
    }

    private mutating func became(_ chunk: Int, _ host: Int) {
        guard hosts[host].plan.isServing else {
            hosts[host].have.insert(chunk)
            return
        }
        if hosts[host].have.isEmpty, hosts[host].plan.disk == nil, !settings.announcesEmpty {
            schedule(.announced, at: host, after: settings.gossip)
        }
        hosts[host].have.insert(chunk)
        hosts[host].untold.append(UInt32(chunk))
        if !hosts[host].isTelling {
            hosts[host].isTelling = true
            schedule(.tell, at: host, after: settings.havePeriod)
        }
    }
}
