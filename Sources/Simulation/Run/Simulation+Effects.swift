import Mesh
import PeerLogic
import Records

/// The part of the shells: what a peer wants done is done to numbers, at the time when its work is over.
extension Simulation {
    func perform(_ effect: PeerEffect, of peer: SimulatedPeer, at time: UInt64) {
        trace.add(peer.index)
        switch effect {
        case .mesh(let effect): perform(effect, of: peer, at: time)
        case .log(let entry): trace.add(entry.message)
        default: trace.add("\(effect)")
        }
    }

    private func perform(_ effect: MeshEffect, of peer: SimulatedPeer, at time: UInt64) {
        switch effect {
        case .bootstrap(let address):
            trace.add(address)
            ask(address, for: peer, at: time)
        case .connect(let other, let key, let endpoints):
            trace.add(1)
            connect(peer, to: other, key, endpoints, at: time)
        case .subscribe(let other, let key, let endpoints):
            trace.add(2)
            subscribe(peer, to: other, key, endpoints, at: time)
        case .disconnect(let other):
            trace.add(3)
            if let other = index(of: other) { disconnect(peer, from: peers[other]) }
        case .admit(let key, let other):
            trace.add(4)
            guard let index = index(of: other), peers[index].curveKey == key else { return }
            peer.links[index].isAdmitted = true
        case .send(let other, let message): send(message, from: peer, to: other, at: time)
        case .unsubscribe(let other):
            trace.add(5)
            if let other = index(of: other) { unsubscribe(peer, from: peers[other]) }
        case .block(let other, _, let nanoseconds):
            trace.add(6)
            guard let other = index(of: other) else { return }
            peer.links[other].blockedUntil = time + nanoseconds
        case .publish(let other, let head, let frame):
            peer.lastCounter = max(peer.lastCounter, head.counter)
            guard peer.misbehaviour != .eclipse || isOfEclipse(frame),
                let departure = departure(of: head, from: peer, at: time)
            else { return }
            publish(frame, head, from: peer, to: other, at: departure)
        case .changed(let change): observe(change, at: peer, time)
        }
    }

    // MARK: Messages

    /// On the sender's own channel, else on the one that the receiver opened and the sender admitted; else nobody takes it.
    private func send(_ message: ControlMessage, from peer: SimulatedPeer, to id: PeerID, at time: UInt64) {
        guard let message = eclipsed(message, from: peer) else { return }
        send(message.encoded, from: peer, to: id, at: time)
    }

    func send(_ bytes: [UInt8], from peer: SimulatedPeer, to id: PeerID, at time: UInt64) {
        let digest = TraceHash.digest(of: bytes)
        trace.add(digest)
        if bytes.count > WireLimits.controlMessage {
            invariants.add(.sizes, at: now, peer: name(of: peer), "a control message has \(bytes.count) bytes")
        }
        guard let to = index(of: id), let channel = channel(from: peer, to: peers[to]) else {
            traffic.notTaken += 1
            return
        }
        traffic.sentControl(bytes)
        guard !network.isCut(from: peer.machine, to: peers[to].machine), !network.losesControl() else {
            traffic.controlLost += 1
            return
        }
        let departure = departure(of: bytes.count, from: peer.machine, at: time)
        let arrival = max(
            departure + network.latency(from: peer.machine, to: peers[to].machine),
            peer.links[to].lastControl + 1)
        peer.links[to].lastControl = arrival
        schedule(.arrival(to: to, .control(from: peer.index, channel, bytes, digest: digest)), at: arrival)
    }

    private func channel(from peer: SimulatedPeer, to other: SimulatedPeer) -> Arrival.Channel? {
        let link = peer.links[other.index]
        if link.control == .open { return .opened }
        return link.isAdmitted && other.links[peer.index].control == .open ? .accepted : nil
    }

    /// A frame for which nobody listens is no message at all.
    func publish(
        _ frame: [UInt8], _ head: GossipHead, from peer: SimulatedPeer, to id: PeerID, at time: UInt64
    ) {
        let digest = TraceHash.digest(of: frame)
        trace.add(digest)
        if peer.isDeparting, head.hops == 0 { noteFarewell(frame, of: peer) }
        guard let to = index(of: id), peer.links[to].isListening else { return }
        if frame.count > WireLimits.gossipFrame {
            invariants.add(.sizes, at: now, peer: name(of: peer), "a gossip frame has \(frame.count) bytes")
        }
        traffic.sentGossip(bytes: Self.headSize + frame.count)
        noteSend(frame)
        guard hasRoom(from: peer, to: to, at: time) else {
            traffic.queueDrops += 1
            return
        }
        let departure = departure(of: Self.headSize + frame.count, from: peer.machine, at: time)
        if machines[peer.machine].uplink != nil { peer.links[to].departures.append(departure) }
        let machine = peers[to].machine
        guard !network.isCut(from: peer.machine, to: machine), !network.losesGossip() else {
            traffic.gossipLost += 1
            return
        }
        let copies = network.duplicates() ? 2 : 1
        for _ in 0..<copies {
            let latency = network.latency(from: peer.machine, to: machine)
            let arrival = max(departure + latency, peer.links[to].lastGossip + 1)
            peer.links[to].lastGossip = arrival
            schedule(
                .arrival(to: to, .gossip(from: peer.index, head: head, frame: frame, digest: digest)),
                at: arrival)
        }
    }

    private static let headSize = GossipHead(counter: 0, hops: 0).encoded.count

    // MARK: Bootstrap

    /// A TCP connection and a request: it reaches the machine after a round trip and a half.
    private func ask(_ address: String, for peer: SimulatedPeer, at time: UInt64) {
        guard let request = peer.running?.lend({ $0.bootstrapRequest() }), let machine = machineOfAddress[address]
        else {
            return fail(address, "there is no such address", for: peer, at: time)
        }
        guard !network.isBroken(peer.machine, machine) else {
            return fail(address, "no answer in time", for: peer, at: time + network.settings.bootstrapTimeout)
        }
        let delay = 3 * network.latency(from: peer.machine, to: machine)
        schedule(.bootstrapRequest(from: peer.index, address: address, request), at: time + delay)
    }

    func bootstrapRequested(by peer: SimulatedPeer, _ address: String, _ request: BootstrapRequest) {
        guard let machine = machineOfAddress[address] else { return }
        let back = now + network.latency(from: machine, to: peer.machine)
        guard let process = machines[machine].process else {
            return fail(address, "connection refused", for: peer, at: back)
        }
        let asked = peers[process]
        let isReachable = !network.isBroken(peer.machine, machine) && asked.busyUntil < now + Duration64.second
        guard isReachable, let arrived = try? BootstrapRequest(decoding: request.encoded),
            let answer = asked.running?.lend({ $0.bootstrapAnswer(to: arrived, now: moment(of: asked)) })
        else { return fail(address, "no answer in time", for: peer, at: now + network.settings.bootstrapTimeout) }
        if answer.count > WireLimits.bootstrapAnswer {
            invariants.add(.sizes, at: now, peer: name(of: asked), "a bootstrap answer has \(answer.count) bytes")
        }
        let event = PeerEvent.bootstrapAnswered(address: address, request: request, answer: answer)
        schedule(.arrival(to: peer.index, .local(event)), at: back)
    }

    private func fail(_ address: String, _ reason: String, for peer: SimulatedPeer, at time: UInt64) {
        schedule(
            .arrival(to: peer.index, .local(.bootstrapFailed(address: address, reason: reason))), at: time)
    }
}
