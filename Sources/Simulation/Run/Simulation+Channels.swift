import Mesh
import PeerLogic
import Records

/// Connections as libzmq keeps them: it connects in the background, and tries again until the socket is closed.
extension Simulation {
    /// Opens a control channel. One that there is already stays.
    func connect(_ peer: SimulatedPeer, to id: PeerID, _ key: CurveKey, _ endpoints: Endpoints, at time: UInt64) {
        guard let to = index(of: id), peer.links[to].control == .none else { return }
        peer.links[to].control = .opening
        guard reaches(peers[to], key, endpoints) else { return }
        begin(.control, peer, peers[to], at: time)
    }

    /// Opens a subscription, in place of the one that there may be.
    func subscribe(_ peer: SimulatedPeer, to id: PeerID, _ key: CurveKey, _ endpoints: Endpoints, at time: UInt64) {
        guard let to = index(of: id), peer.links[to].control != .none else { return }
        peer.links[to].subscription = .opening
        stopListening(peer, to: peers[to])
        guard reaches(peers[to], key, endpoints) else { return }
        begin(.subscription, peer, peers[to], at: time)
    }

    /// A wrong key ends the handshake for good.
    private func reaches(_ other: SimulatedPeer, _ key: CurveKey, _ endpoints: Endpoints) -> Bool {
        other.curveKey == key && machines[other.machine].name == endpoints.host
    }

    private func begin(
        _ socket: Handshake.Socket, _ peer: SimulatedPeer, _ other: SimulatedPeer, at time: UInt64, attempt: Int = 0
    ) {
        let trips = UInt64(network.settings.handshakeRoundTrips)
        var delay = 2 * trips * network.latency(from: peer.machine, to: other.machine)
        if socket == .subscription { delay += network.settings.slowJoiner }
        let handshake = Handshake(
            from: peer.index, to: other.index, socket: socket,
            generation: peer.links[other.index].generation, attempt: attempt)
        schedule(.handshake(handshake), at: time + delay)
    }

    func finish(_ handshake: Handshake) {
        let (peer, other) = (peers[handshake.from], peers[handshake.to])
        let link = peer.links[other.index]
        guard peer.isAlive, other.isAlive, link.generation == handshake.generation else { return }
        let state = handshake.socket == .control ? link.control : link.subscription
        guard state == .opening else { return }
        guard !network.isBroken(peer.machine, other.machine) else {
            let pause = network.reconnectPause(attempt: handshake.attempt)
            return begin(handshake.socket, peer, other, at: now + pause, attempt: handshake.attempt + 1)
        }
        // A process that stands still takes no handshake; it is answered when it goes on.
        guard other.busyUntil < now + Duration64.second else {
            return schedule(.handshake(handshake), at: other.busyUntil)
        }
        switch handshake.socket {
        case .control: peer.links[other.index].control = .open
        case .subscription:
            // ZAP lets only admitted keys listen, and libzmq gives up for good what it refuses.
            guard other.links[peer.index].isAdmitted else { return }
            peer.links[other.index].subscription = .open
            other.links[peer.index].isListening = true
        }
    }

    func disconnect(_ peer: SimulatedPeer, from other: SimulatedPeer) {
        peer.links[other.index].control = .none
        peer.links[other.index].subscription = .none
        peer.links[other.index].isAdmitted = false
        peer.links[other.index].generation += 1
        stopListening(peer, to: other)
    }

    func unsubscribe(_ peer: SimulatedPeer, from other: SimulatedPeer) {
        peer.links[other.index].subscription = .none
        stopListening(peer, to: other)
    }

    private func stopListening(_ peer: SimulatedPeer, to other: SimulatedPeer) {
        guard other.links[peer.index].isListening else { return }
        other.links[peer.index].isListening = false
    }

    // MARK: Ends

    /// The sockets that connect to an ended process notice it, and find nobody any more.
    func breakConnections(to ended: SimulatedPeer) {
        for peer in peers where peer.isAlive {
            let link = peer.links[ended.index]
            guard link.control != .none || link.subscription != .none || link.isListening else { continue }
            if link.control == .open { lost(peer, ended) }
            if link.subscription == .open { peer.links[ended.index].subscription = .opening }
            peer.links[ended.index].generation += 1
            stopListening(ended, to: peer)
        }
    }

    /// A socket's monitor tells its peer.
    private func lost(_ peer: SimulatedPeer, _ other: SimulatedPeer) {
        peer.links[other.index].control = .opening
        let delay = network.latency(from: other.machine, to: peer.machine)
        schedule(.arrival(to: peer.index, .local(.disconnected(other.id))), after: delay)
    }

    /// Connections across a partition count as dead, and are tried again from now on.
    func breakConnections(across partition: Int) {
        guard network.isParted(partition) else { return }
        for peer in peers where peer.isAlive {
            for other in peer.links.others {
                guard peers[other].isAlive, network.isBroken(peer.machine, peers[other].machine) else { continue }
                let link = peer.links[other]
                if link.control == .open {
                    lost(peer, peers[other])
                    begin(.control, peer, peers[other], at: now)
                }
                if link.subscription == .open {
                    peer.links[other].subscription = .opening
                    stopListening(peer, to: peers[other])
                    begin(.subscription, peer, peers[other], at: now)
                }
            }
        }
    }
}
