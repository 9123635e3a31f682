import Mesh
import PeerLogic
import Records

/// What a scenario's timeline does to the peers.
extension Simulation {
    /// How long a peer's last messages have to go out, nanoseconds: the transport's own.
    private static let farewell = 200 * Duration64.millisecond

    func perform(_ action: Action) {
        switch action {
        case .announce(let label): announce(label)
        case .withdraw(let label): withdraw(label)
        case .crash(let selection, let isNoticed, let down):
            for peer in select(selection) {
                end(peer, isNoticed: isNoticed)
                if let down { restart(peer.machine, after: down) }
            }
        case .depart(let selection, let down):
            for peer in select(selection) {
                depart(peer)
                if let down { restart(peer.machine, after: down + Self.farewell) }
            }
        case .pause(let selection, let duration):
            for peer in select(selection) { peer.busyUntil = max(peer.busyUntil, now + duration) }
        case .skew(let selection, let milliseconds):
            for peer in select(selection) { machines[peer.machine].skew += milliseconds }
        case .partition(let selection, let blocks, let duration): part(select(selection), blocks, duration)
        case .heal: network.healAll()
        case .loss(let gossip, let control):
            network.settings.gossipLoss = gossip ?? network.settings.gossipLoss
            network.settings.controlLoss = control ?? network.settings.controlLoss
        case .watch(let condition, let label): watch(condition, label)
        case .plant(let fault, let selection):
            guard !fault.isBuiltIn else { return }
            for peer in select(selection) { plant(fault, at: peer) }
        case .turn(let selection, let misbehaviour):
            for peer in select(selection, isHonest: true) { turn(peer, into: misbehaviour) }
        case .outage: endServers()
        case .eclipse(let selection, let contacts, let lying):
            eclipse(select(selection, isHonest: true), contacts: contacts, lying: lying)
        case .upgrade(let selection): for peer in select(selection, isHonest: true) { upgrade(peer) }
        case .thin(let selection, let rate, let duration): thin(select(selection), to: rate, for: duration)
        case .slow(let selection, let factor, let duration): slow(select(selection), by: factor, for: duration)
        case .expire(let selection, let time): expire(select(selection), after: time)
        case .revoke(let selection): revoke(select(selection))
        case .rotate(let selection, let time): rotate(select(selection), revokesAfter: time)
        }
    }

    func heal(_ partition: Int) { network.heal(partition) }

    private func restart(_ machine: Int, after delay: UInt64) {
        machinesToStart += 1
        schedule(.start(machine: machine), after: delay)
    }

    func depart(_ peer: SimulatedPeer) {
        peer.isDeparting = true
        truth.depart(peer.index)
        arrived(.local(.depart), at: peer)
        schedule(.ends(peer.index), after: Self.farewell)
    }

    private func part(_ selected: [SimulatedPeer], _ blocks: PartitionDirection, _ duration: UInt64?) {
        var isSelected = [Bool](repeating: false, count: machines.count)
        for peer in selected { isSelected[peer.machine] = true }
        let number = network.part(isSelected, blocks: blocks)
        schedule(.connectionsBreak(partition: number), after: network.settings.connectionTimeout)
        if let duration { schedule(.heal(partition: number), after: duration) }
    }

    private func plant(_ fault: PlantedFault, at peer: SimulatedPeer) {
        switch fault {
        case .validity: peer.stoppedWall = wall(of: peer.machine)
        case .floors, .signatures, .antiEntropy, .versions: break
        }
    }

    /// Living processes, at random; a share is of those that the other criteria leave.
    private func select(_ selection: Selection, isHonest: Bool = false) -> [SimulatedPeer] {
        var candidates = living.filter { peer in
            peer.role == selection.role && !peer.isDeparting && !(isHonest && peer.misbehaviour != nil)
                && selection.zone.map { machines[peer.machine].zone == $0 } ?? true
        }
        let count = selection.count(of: candidates.count)
        for index in 0..<count {
            candidates.swapAt(index, Int.random(in: index..<candidates.count, using: &faultGenerator))
        }
        return candidates.prefix(count).sorted { $0.index < $1.index }
    }

    private func withdraw(_ label: String) {
        guard let number = spreads.firstIndex(where: { $0.label == label }) else { return }
        let manifest = content("announcement \(number)").manifest.id
        arrived(.local(.withdraw(manifest)), at: peers[spreads[number].origin])
    }

    /// A peer that lives offers a model that nobody has offered yet.
    private func announce(_ label: String) {
        let candidates = living.filter {
            $0.role == .peer && $0.isTrusted && !$0.isDeparting && $0.busyUntil <= now + Duration64.second
        }
        guard let peer = candidates.randomElement(using: &workGenerator) else { return }
        let content = content("announcement \(spreads.count)")
        spreads.append(
            Spread(
                label: label, origin: peer.index,
                record: RecordKeys.announcement(peer.id, content.manifest.identity.id, rank: 0)))
        arrived(.local(.serve(content)), at: peer)
    }
}
