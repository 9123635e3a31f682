import Mesh
import PeerLogic
import Records

/// A condition that is looked for, from a time on.
struct ConditionWatch {
    /// The label of the watch that the scenario didn't ask for.
    static let liveness = ""

    let condition: Condition
    let label: String
    let since: UInt64
    var heldAfter: UInt64?
}

/// What no single event shows: whether peers agree, whether they hang together, what they would choose from.
extension Simulation {
    /// How often conditions are looked at, and with that how exact their times are; nanoseconds.
    static let checkPeriod = 50 * Duration64.millisecond
    /// How often some of the peers are audited, and after how many rounds all of them were; nanoseconds.
    static let auditPeriod = Duration64.second
    private static let auditRounds = 8

    func watch(_ condition: Condition, _ label: String) {
        watches.append(ConditionWatch(condition: condition, label: label, since: now))
    }

    func check() {
        if phase == .joining {
            if machinesToStart == 0, everybodyKnowsEverybody(), agrees() { beginTimeline() }
        } else {
            for index in watches.indices where watches[index].heldAfter == nil {
                guard holds(watches[index].condition) else { continue }
                watches[index].heldAfter = now - watches[index].since
            }
        }
        schedule(.check, after: Self.checkPeriod)
    }

    private func holds(_ condition: Condition) -> Bool {
        switch condition {
        case .agreement: agrees()
        case .overlay: isConnected()
        }
    }

    /// Whoever disagreed last is asked first: most looks end with the first peer.
    private func agrees() -> Bool {
        let expected = truth.choosable
        return holdsForAll { peer, running in
            guard peer.isTrusted else { return true }
            var sources = running.lend { $0.mesh.sources(atWall: moment(of: peer).wall) }
            if truth.hasLiars { sources.removeAll { index(of: $0.peerID).map(truth.isLiar) ?? false } }
            return sources.count == expected.count
                && zip(sources, expected).allSatisfy {
                    $0.peerID == $1.owner && signedVersion($0.announcement.version, $1.owner, at: peer) == $1.version
                }
        }
    }

    private func everybodyKnowsEverybody() -> Bool {
        let count = livingCount
        return holdsForAll { _, running in running.lend { $0.mesh.knownPeers.count } == count }
    }

    private func holdsForAll(_ isFulfilled: (SimulatedPeer, Running) -> Bool) -> Bool {
        let last = peers[lastDisagreeing]
        if let running = last.running, !isFulfilled(last, running) { return false }
        for peer in peers {
            guard let running = peer.running else { continue }
            guard isFulfilled(peer, running) else {
                lastDisagreeing = peer.index
                return false
            }
        }
        return true
    }

    /// Listening is looked at without its direction.
    private func isConnected() -> Bool {
        let living = self.living.filter(\.isTrusted)
        var groups = DisjointGroups(count: peers.count)
        for peer in living {
            for other in peer.links.others where peer.links[other].isListening && peers[other].isAlive {
                groups.join(peer.index, other)
            }
        }
        guard let first = living.first else { return true }
        return living.allSatisfy { groups.representative(of: $0.index) == groups.representative(of: first.index) }
    }

    // MARK: Audits

    /// Whether a peer and its machine work as they should: neither lie, nor stand still, nor have a wrong clock.
    private func isSound(_ peer: SimulatedPeer) -> Bool {
        peer.isTrusted && !peer.isDeparting && peer.busyUntil < now + Duration64.second
            && machines[peer.machine].skew == 0
    }

    /// How many of the offers of sound peers a sound peer doesn't see.
    private func lookForHidden(by peer: SimulatedPeer, _ running: Running) {
        guard phase == .running, now >= base, isSound(peer) else { return }
        let elapsed = Double(max(now - base, Duration64.second))
        traffic.busiest = max(traffic.busiest, Double(peer.worked) / elapsed * 100)
        let seen = running.lend { $0.mesh.sources(atWall: moment(of: peer).wall) }
        var position = 0
        for offered in truth.choosable {
            guard let owner = index(of: offered.owner), isSound(peers[owner]) else { continue }
            traffic.looks += 1
            while position < seen.count, seen[position].peerID < offered.owner { position += 1 }
            if position == seen.count || seen[position].peerID != offered.owner { traffic.hidden += 1 }
        }
    }

    /// Once the faults are over all come to agree in time.
    func auditLiveness() {
        guard let watch = watches.first(where: { $0.label == ConditionWatch.liveness }), watch.heldAfter == nil else {
            return
        }
        let peer = peers[lastDisagreeing]
        invariants.add(
            .liveness, at: now, peer: name(of: peer),
            "\((now - watch.since) / Duration64.millisecond) ms after the last fault it would not choose from what is offered"
        )
    }

    func auditNow() {
        audit(all: false)
        schedule(.audit, after: Self.auditPeriod)
    }

    /// Looks at what peers would choose from: nothing whose validity is over by the clocks of those who signed it.
    func audit(all: Bool) {
        auditRound += 1
        for peer in peers where all || (peer.index + auditRound).isMultiple(of: Self.auditRounds) {
            guard let running = peer.running, peer.busyUntil <= now else { continue }
            traffic.recordsHeld = max(traffic.recordsHeld, running.lend { $0.mesh.recordCount })
            let wall = wall(of: peer.machine)
            lookForHidden(by: peer, running)
            auditTrust(of: peer, running)
            for source in running.lend({ $0.mesh.sources(atWall: moment(of: peer).wall) }) {
                guard let owner = index(of: source.peerID) else { continue }
                let id = RecordKeys.announcement(
                    source.peerID, source.announcement.identity.id, rank: source.announcement.rank)
                let version = signedVersion(source.announcement.version, source.peerID, at: peer)
                let validUntil = truth.validUntil(of: id, version, owner: owner)
                guard wall > validUntil else { continue }
                invariants.add(
                    .validity, at: now, peer: name(of: peer),
                    "it would choose \(name(of: peers[owner])), whose offer ended \(wall - validUntil) ms ago")
            }
        }
    }
}

/// Union and find.
struct DisjointGroups {
    private var parents: [Int]

    init(count: Int) { parents = Array(0..<count) }

    mutating func representative(of member: Int) -> Int {
        var root = member
        while parents[root] != root {
            parents[root] = parents[parents[root]]
            root = parents[root]
        }
        return root
    }

    mutating func join(_ first: Int, _ second: Int) {
        parents[representative(of: first)] = representative(of: second)
    }
}
