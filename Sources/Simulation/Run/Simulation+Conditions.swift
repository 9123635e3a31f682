import Mesh
import PeerLogic
import Records

/// A condition that is looked for, from a time on.
struct ConditionWatch {
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
            let sources = running.lend { $0.mesh.sources(atWall: moment(of: peer).wall) }
            return sources.count == expected.count
                && zip(sources, expected).allSatisfy {
                    $0.peerID == $1.owner && $0.announcement.version == $1.version
                }
        }
    }

    private func everybodyKnowsEverybody() -> Bool {
        let count = living.count
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
        let living = self.living
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
            for source in running.lend({ $0.mesh.sources(atWall: moment(of: peer).wall) }) {
                guard let owner = index(of: source.peerID) else { continue }
                let id = RecordKeys.announcement(
                    source.peerID, source.announcement.identity.id, rank: source.announcement.rank)
                let validUntil = truth.validUntil(of: id, source.announcement.version, owner: owner)
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
