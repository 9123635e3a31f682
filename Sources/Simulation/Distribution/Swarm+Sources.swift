import Digest
import Records
import Transfer

/// The part of a swarm's hosts as sources: the ledger of production, and a shell of numbers.
extension Swarm {
    /// Violations of one kind that are kept; further ones are counted.
    private static let keptOfOneKind = 5

    mutating func violated(_ invariant: Invariant, _ host: Int, _ detail: String) {
        violationCount += 1
        violationsOfKind[invariant, default: 0] += 1
        guard violationsOfKind[invariant, default: 0] <= Self.keptOfOneKind else { return }
        violations.append(Violation(invariant: invariant, at: now, peer: "host\(host)", detail: detail))
    }

    mutating func probed(_ host: Int, by reader: Int, _ request: UInt64) {
        let (peer, moment) = (hosts[reader].peer, moment)
        var (free, isReserved) = hosts[host].ledger.probe(by: peer, now: moment)
        if settings.mutant == .load || hosts[host].isLiar { (free, isReserved) = (settings.ledger.slots, true) }
        hosts[host].promises[reader] = isReserved && !hosts[host].isLiar ? now + settings.ledger.reservation : nil
        answer(
            .probeAnswered(
                hosts[host].peer, request: request, freeSlots: free, reserved: isReserved,
                haveMap: haveMap(of: host)),
            to: reader)
    }

    mutating func grant(_ request: UInt64, to reader: Int, by host: Int) {
        leases += 1
        let id = LeaseID(SHA256.digest(withUnsafeBytes(of: UInt64(leases)) { Array($0) }))
        let (peer, moment) = (hosts[reader].peer, moment)
        let promise = hosts[host].promises.removeValue(forKey: reader)
        guard hosts[host].plan.lie?.grants ?? true,
            let (lease, replaced) = hosts[host].ledger.request(
                by: peer, manifest: ManifestID(.zero), id: id, now: moment)
        else {
            refusals += 1
            if let promise, now < promise {
                violated(.promise, host, "it had promised host\(reader) a place and has none")
            }
            return answer(
                .refused(
                    hosts[host].peer, request: request, .busy, retryAfterMilliseconds: settings.ledger.retryAfter),
                to: reader)
        }
        if let replaced { closeLane(replaced) }
        let inUse = hosts[host].ledger.slotsInUse
        hosts[host].leasesMost = max(hosts[host].leasesMost, inUse)
        if inUse > settings.ledger.slots {
            violated(.slots, host, "it let in \(inUse) readers and has \(settings.ledger.slots) places")
        }
        let grant = LeaseGrant(
            lease: id, manifest: ManifestID(.zero), generation: lease.generation, duration: 10_000,
            window: settings.ledger.window, slot: UInt16(clamping: lease.slot),
            slots: UInt16(clamping: settings.ledger.slots), sessionKey: .zero,
            lanes: [LaneOffer(kind: .tcp, address: "x", port: 1)], haveMap: haveMap(of: host))
        answer(.granted(hosts[host].peer, request: request, grant), to: reader)
    }

    /// What a source says that it has; built wrongly, it says everything.
    private func haveMap(of host: Int) -> ChunkSet {
        settings.mutant == .holdings || hosts[host].isLiar
            ? ChunkSet(chunkCount: settings.chunks, full: true) : hosts[host].have
    }

    mutating func renew(_ lease: LeaseID, of reader: Int, by host: Int) {
        let (peer, moment) = (hosts[reader].peer, moment)
        let isRenewed = hosts[host].ledger.renew(lease, by: peer, now: moment)
        answer(
            isRenewed ? .renewed(lease, durationMilliseconds: 10_000) : .leaseEnded(lease, .unknownLease), to: reader)
    }

    /// Tells lease holders what came, coalesced.
    mutating func tell(_ host: Int) {
        hosts[host].isTelling = false
        let chunks = hosts[host].untold
        hosts[host].untold = []
        for lease in hosts[host].ledger.sortedLeases {
            guard let reader = indices[lease.reader] else { continue }
            answer(.haveDelta(lease.id, chunks), to: reader)
        }
    }

    mutating func requested(_ lease: LeaseID, _ chunk: Int, _ isCopy: Bool) {
        guard let lane = lanes[lease], !lane.isClosing else { return }
        let source = lane.source
        let lie = answerOfLiar(lease, chunk, at: source)
        guard lie.isServed else { return lie.event.map { answer($0, to: lane.reader) } ?? () }
        let isHeld = hosts[source].have.contains(chunk) || hosts[source].isLiar
        guard isHeld || settings.mutant == .holdings else {
            return answer(.failed(lease, chunk: chunk, .notAvailable), to: lane.reader)
        }
        if !isHeld { violated(.holding, source, "it sends chunk \(chunk), which it doesn't have") }
        let isSpoiled =
            hosts[source].isLiar || hosts[source].spoiled.contains(chunk)
            || hosts[source].plan.corrupts.happens(using: &generator)
        served(1, by: source)
        network.ask(
            SwarmNetwork.Request(
                chunk: chunk, bytes: layout.length(ofChunk: chunk), isCopy: isCopy, isSpoiled: isSpoiled),
            of: lane.connection, now: now)
    }

    /// Reads in flight, at one source and at all.
    mutating func served(_ change: Int, by source: Int) {
        hosts[source].reads += change
        reads += change
        hosts[source].readsMost = max(hosts[source].readsMost, hosts[source].reads)
        readsMost = max(readsMost, reads)
    }

    /// What a read brings once all of it is there: the shell looks at the bytes, unless it is built wrongly.
    func outcome(of request: SwarmNetwork.Request, on lane: SwarmLane) -> FanInEvent {
        if request.isSpoiled, settings.mutant != .verification {
            return .failed(lane.lease, chunk: request.chunk, .wrongBytes("digest"))
        }
        return request.isCopy
            ? .bounced(lane.lease, chunk: request.chunk, bytes: request.bytes)
            : .verified(lane.lease, chunk: request.chunk, bytes: request.bytes)
    }

    mutating func kill(_ host: Int) {
        guard !hosts[host].isDead else { return }
        if hosts[host].isTarget, hosts[host].doneAt == nil { unfinished -= 1 }
        hosts[host].isDead = true
        hosts[host].isAnnounced = false
        for lane in lanes(of: host) {
            closeConnection(lane)
            if lane.source == host {
                answer(.laneFailed(lane.lease, "connection reset"), to: lane.reader)
            } else {
                schedule(.release(from: host, lane.lease), at: lane.source, after: settings.latency)
            }
        }
    }

    /// Those that it serves and those that it reads on, in a fixed order.
    private func lanes(of host: Int) -> [SwarmLane] {
        lanes.values.filter { $0.source == host || $0.reader == host }.sorted { $0.lease < $1.lease }
    }

    mutating func freeze(_ host: Int, _ isFrozen: Bool) {
        hosts[host].isFrozen = isFrozen
        for lane in lanes(of: host) where lane.source == host {
            network.freeze(lane.connection, isFrozen)
        }
    }

    mutating func closeConnection(_ lane: SwarmLane) {
        served(-network.connections[lane.connection].requests.count, by: lane.source)
        network.close(lane.connection)
    }
}
