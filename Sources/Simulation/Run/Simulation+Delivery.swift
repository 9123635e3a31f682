import Mesh
import PeerLogic
import Records

/// Events reach peers one after the other, and each takes its time.
extension Simulation {
    /// The soonest next tick (the transport's own bound), nanoseconds.
    private static let shortestTick = Duration64.millisecond

    /// Gives it to the peer, now or when it has done what came before.
    func arrived(_ arrival: Arrival, at peer: SimulatedPeer) {
        guard peer.isAlive else { return }
        // Wanted earlier meanwhile: that tick has come, and another one is scheduled.
        if case .tick = arrival, peer.tickAt > now { return }
        guard peer.busyUntil > now || peer.hasWaiting else { return deliver(arrival, to: peer) }
        guard hasRoom(for: arrival, at: peer) else {
            traffic.queueDrops += 1
            return
        }
        peer.inbox.append(arrival)
        guard !peer.isDraining else { return }
        peer.isDraining = true
        schedule(.drain(peer.index), at: peer.busyUntil)
    }

    func drain(_ peer: SimulatedPeer) {
        peer.isDraining = false
        guard peer.isAlive else { return }
        if peer.busyUntil <= now, let arrival = peer.takeFirstWaiting() {
            switch arrival {
            case .gossip(let from, _, _, _), .control(let from, _, _, _): peer.links[from].waiting -= 1
            case .local, .tick: break
            }
            deliver(arrival, to: peer)
        }
        guard peer.hasWaiting, !peer.isDraining else { return }
        peer.isDraining = true
        schedule(.drain(peer.index), at: peer.busyUntil)
    }

    /// A socket holds only so many messages of one neighbour, and drops further ones in silence.
    private func hasRoom(for arrival: Arrival, at peer: SimulatedPeer) -> Bool {
        let (from, limit): (Int, Int)
        switch arrival {
        case .gossip(let sender, _, _, _): (from, limit) = (sender, network.settings.gossipQueue)
        case .control(let sender, _, _, _): (from, limit) = (sender, network.settings.controlQueue)
        case .local, .tick: return true
        }
        guard peer.links[from].waiting < limit else { return false }
        peer.links[from].waiting += 1
        return true
    }

    func deliver(_ arrival: Arrival, to peer: SimulatedPeer) {
        trace.add(now)
        trace.add(peer.index)
        switch arrival {
        case .gossip(let from, let head, let frame, let digest):
            trace.add(digest)
            trace.add(head.counter)
            // A subscription that was closed meanwhile hands nothing up.
            guard peer.links[from].subscription == .open, peer.links[from].blockedUntil <= now else { return }
            noteCopy(frame, at: peer)
            handle(.gossip(from: peers[from].id, head, frame: frame), at: peer)
        case .control(let from, let channel, let bytes, let digest):
            trace.add(digest)
            if let event = event(bytes, on: channel, from: peers[from], at: peer) { handle(event, at: peer) }
        case .local(let event): handle(event, at: peer)
        case .tick: tick(peer)
        }
    }

    /// A hello comes with the key that its channel proved; other messages need an admitted channel.
    private func event(
        _ bytes: [UInt8], on channel: Arrival.Channel, from: SimulatedPeer, at peer: SimulatedPeer
    ) -> PeerEvent? {
        let link = peer.links[from.index]
        guard channel == .opened || link.control == .open, link.blockedUntil <= now else { return nil }
        if bytes.first == Self.helloTag, case .hello(let record)? = try? ControlMessage(decoding: bytes) {
            return .hello(from.curveKey, record: record)
        }
        guard channel == .accepted || link.isAdmitted else { return nil }
        return .message(from: from.id, bytes)
    }

    private static let helloTag = ControlMessage.hello(record: []).encoded.first

    private func tick(_ peer: SimulatedPeer) {
        peer.tickAt = .max
        peer.lastTick = now
        handle(.tick, at: peer)
        guard let deadline = peer.running?.nextDeadline, deadline <= now + peer.clockOffset else { return }
        invariants.add(.progress, at: now, peer: name(of: peer), "a tick did not move the next deadline on")
    }

    /// Gives an event to a peer and does what it wants done once its work is over.
    private func handle(_ event: PeerEvent, at peer: SimulatedPeer) {
        let before = book.verifications
        let effects = peer.running?.handle(event, now: moment(of: peer)) ?? []
        let verified = book.verifications - before
        let work = scenario.work
        let done = now + machines[peer.machine].slowness * (work.message + UInt64(verified) * work.verification)
        peer.busyUntil = max(peer.busyUntil, done)
        if phase == .running, now >= base { peer.worked += done - now }
        perform(effects, of: peer, at: done)
    }

    func perform(_ effects: [PeerEffect], of peer: SimulatedPeer, at time: UInt64) {
        for effect in effects { perform(effect, of: peer, at: time) }
        scheduleTick(of: peer)
    }

    private func scheduleTick(of peer: SimulatedPeer) {
        guard let wanted = peer.running?.nextDeadline else { return }
        let deadline = max(max(wanted, peer.clockOffset) - peer.clockOffset, peer.lastTick + Self.shortestTick)
        guard deadline < peer.tickAt else { return }
        peer.tickAt = deadline
        schedule(.arrival(to: peer.index, .tick), at: deadline)
    }

    func name(of peer: SimulatedPeer) -> String { "\(machines[peer.machine].name) (\(peer.id.short))" }
}
