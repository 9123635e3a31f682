import Mesh
import PeerLogic
import Records

/// Servers that go, and come back with an old copy of their store.
extension Simulation {
    func scheduleStep(_ index: Int) {
        let step = scenario.timeline[index]
        schedule(.step(index), at: base + step.at)
        guard case .outage(let down, let rollback) = step.action else { return }
        schedule(.store(step: index), at: base + max(step.at, rollback) - rollback)
        for machine in machines where machine.role == .server {
            schedule(.restore(machine: machine.index, step: index), at: base + step.at + down)
        }
    }

    func endServers() {
        for peer in living where peer.role == .server { end(peer, isNoticed: true) }
    }

    /// What the first server holds is what they all store.
    func store(for step: Int) {
        guard let server = living.first(where: { $0.role == .server }) else { return }
        stores[step] = frames(heldBy: server)
    }

    func restore(_ machine: Int, _ step: Int) {
        guard machines[machine].process == nil else { return }
        machinesToStart += 1
        startOffering(machine)
        if let peer = peers.last { arrived(.local(.restored(stores[step] ?? [])), at: peer) }
    }
}

extension Step {
    /// When what it does is over, nanoseconds of the timeline.
    var lasts: UInt64 {
        switch action {
        case .crash(_, _, let down), .depart(_, let down): at + (down ?? 0)
        case .pause(_, let duration): at + duration
        case .partition(_, _, let duration): at + (duration ?? 0)
        case .outage(let down, _): at + down
        case .expire(_, let time): at + time
        case .eclipse: at + Duration64.second
        case .thin(_, _, let duration), .slow(_, _, let duration): at + (duration ?? 0)
        case .rotate(_, let time): at + (time ?? 0)
        case .announce, .withdraw, .skew, .heal, .loss, .watch, .plant, .turn, .revoke, .upgrade: at
        }
    }
}
