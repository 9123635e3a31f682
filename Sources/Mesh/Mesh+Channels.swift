package import Records

/// Channels: how they are opened and proved, kept and closed.
extension Mesh {
    // MARK: Opening

    mutating func openEdge(
        to peer: PeerID, _ curveKey: CurveKey, _ endpoints: Endpoints, as membership: Edge.Membership = .none,
        _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        guard edges.count < configuration.channels, quarantined[peer] == nil, !isBlocked(peer, now) else { return }
        var edge = Edge(configuration: configuration, now: now.monotonic)
        edge.membership = membership
        edges[peer] = edge
        effects.append(.connect(peer, curveKey, endpoints))
        greet(peer, &effects)
        nextGreeting = min(nextGreeting, now.monotonic + configuration.firstGreeting)
    }

    /// Opens a channel to a known peer that is no neighbour: somebody wants to read from it.
    package mutating func reach(_ peer: PeerID, now: Moment) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        guard peer != local, edges[peer] == nil, let record = peerRecord(of: peer) else { return effects }
        openEdge(to: peer, record.chain.certificate.value.curveKey, record.endpoints, now, &effects)
        return effects
    }

    mutating func greet(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let own = store.peers[local]?.own.bytes else { return }
        effects.append(.send(to: peer, .hello(record: own)))
    }

    /// A hello shows a chain for the CURVE key of the channel it came on; from then on the channel is that peer's.
    mutating func greeted(
        _ curveKey: CurveKey, _ bytes: [UInt8], _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        guard let frame = opening.open(bytes, digest: opening.digest(of: bytes)), let record = frame.peerRecord,
            record.chain.certificate.value.curveKey == curveKey, frame.author != local
        else { return refuse(.malformed, nil, now, &effects) }
        let peer = frame.author
        guard !isBlocked(peer, now) else { return }
        if case .refused = take(frame, Arrival(mayHaveEnded: true), now, &authority, &effects) { return }
        // A record that is held already was judged when it came: its chain may have ended since.
        guard authority.accepts(record.chain, now: now) else { return refuse(.untrusted, nil, now, &effects) }
        guard edges[peer]?.questions.admits(now: now.monotonic) ?? true else { return }
        guard store.peers[peer] != nil, edges[peer] != nil || edges.count < configuration.inboundChannels else {
            return
        }
        store.keep(peer, untilWall: now.wall + configuration.greetingGrace)
        effects.append(.admit(curveKey, peer))
        defer { askForBeacon(of: peer, now, &effects) }
        if let own = store.peers[local]?.own.bytes { effects.append(.send(to: peer, .welcome(record: own))) }
        if edges[peer] == nil {
            // The other opened the channel, and an answer finds its way on it.
            var edge = Edge(configuration: configuration, now: now.monotonic)
            edge.isInbound = true
            edges[peer] = edge
            cameUp(peer, now, &effects)
        } else {
            // It may have forgotten this channel, and answers nothing on it until it is greeted: its hello is no answer to a ping.
            if let edge = edges[peer], edge.channel == .up, edge.missed >= configuration.missedPings {
                fellSilent(peer, now, &effects)
            }
            if edges[peer]?.channel != .up { greet(peer, &effects) }
        }
    }

    mutating func welcomed(
        by peer: PeerID, _ bytes: [UInt8], _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        guard let frame = opening.open(bytes, digest: opening.digest(of: bytes)), frame.author == peer,
            let record = frame.peerRecord
        else { return }
        if case .refused = take(frame, Arrival(from: peer, mayHaveEnded: true), now, &authority, &effects) { return }
        guard authority.accepts(record.chain, now: now) else { return refuse(.untrusted, peer, now, &effects) }
        guard store.peers[peer] != nil, let edge = edges[peer] else { return }
        store.keep(peer, untilWall: now.wall + configuration.greetingGrace)
        lost.remove(peer)
        edges[peer]?.missed = 0
        askForBeacon(of: peer, now, &effects)
        if edge.channel != .up { cameUp(peer, now, &effects) }
        if store.count <= 2 { takeSnapshot(from: peer, now, &effects) }
    }

    /// The own record of a peer that has been there for a while is past its term: what renews it is asked for at once.
    private func askForBeacon(of peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        guard let holdings = store.peers[peer], holdings.validUntil <= now.wall else { return }
        effects.append(.send(to: peer, .want(records: [holdings.own.record])))
    }

    private mutating func cameUp(_ peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        edges[peer]?.channel = .up
        edges[peer]?.lastUsed = now.monotonic
        effects.append(.changed(.channel(peer, isUp: true)))
        guard let edge = edges[peer] else { return }
        if edge.isAsked { sendRequest(to: peer, &effects) }
        if edge.isNeighbour { listen(to: peer, &effects) }
        if store.count > 2 { exchangeDigests(with: peer, now, &effects) }
        tendView(now, &effects)
    }

    // MARK: Messages

    mutating func received(
        _ message: ControlMessage, from peer: PeerID, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        // A peer that was forgotten greets first: what it says before is nobody's word.
        guard edges[peer] != nil, !isBlocked(peer, now) else { return }
        edges[peer]?.missed = 0
        guard !message.isQuestion || mayAsk(peer, now) else { return }
        switch message {
        case .welcome(let record): welcomed(by: peer, record, now, &authority, &effects)
        case .ping(let request, let isNeighbour):
            effects.append(.send(to: peer, .pong(request: request)))
            compareMembership(with: peer, isNeighbour, &effects)
        case .pong: break
        case .snapshotRequest(let request, let filter, let cursor):
            if cursor == nil { giveTrust(to: peer, now, authority, &effects) }
            sendSnapshot(request: request, filter, cursor, to: peer, now, &authority, &effects)
        case .snapshotPage(let request, let page):
            receivedPage(request, page, from: peer, now, &authority, &effects)
        case .digestSummary(let buckets, let trust):
            receivedSummary(buckets, trust: trust, from: peer, now, authority, &effects)
        case .digestListing(let buckets, let entries): receivedListing(buckets, entries, from: peer, now, &effects)
        case .want(let records): give(Array(records.prefix(configuration.exchangeRecords)), to: peer, now, &effects)
        case .give(let frames): receivedFrames(frames, from: peer, by: .exchange, now, &authority, &effects)
        case .neighbourRequest, .neighbourAnswer, .neighbourEnd: receivedOfView(message, from: peer, now, &effects)
        case .hangUp: hungUp(peer, &effects)
        case .goodbye: forget(peer, &effects)
        case .hello: break
        default: edges[peer]?.lastUsed = now.monotonic
        }
    }

    /// Whom we greeted need not be one of us any more: it is told nothing before it has shown a chain that holds.
    private mutating func mayAsk(_ peer: PeerID, _ now: Moment) -> Bool {
        store.peers[peer] != nil && edges[peer]?.questions.admits(now: now.monotonic) == true
    }

    // MARK: Keeping and closing

    mutating func pingChannels(_ now: Moment, _ effects: inout [MeshEffect]) {
        let patience = configuration.missedPings * (1 + slowness)
        for peer in edges.keys.sorted() {
            edges[peer]?.missed += 1
            guard let edge = edges[peer] else { continue }
            if edge.channel == .up, edge.missed > patience { fellSilent(peer, now, &effects) }
            guard edges[peer]?.channel == .up else {
                if edge.missed > configuration.abandonedPings * (1 + slowness) {
                    closeEdge(peer, &effects)
                } else {
                    greet(peer, &effects)
                }
                continue
            }
            if edge.isStranger, now.monotonic - min(edge.lastUsed, now.monotonic) > configuration.idleChannel {
                effects.append(.send(to: peer, .hangUp))
                closeEdge(peer, &effects)
            } else {
                ping(peer, &effects)
            }
        }
    }

    private mutating func ping(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        effects.append(.send(to: peer, .ping(request: takeRequest(), isNeighbour: isNeighbour(peer))))
    }

    /// Its connection was lost: unless it answers before the next ping, it is taken for silent.
    mutating func disconnected(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        guard var edge = edges[peer], edge.channel == .up else { return }
        edge.missed = max(edge.missed, configuration.missedPings * (1 + slowness))
        edges[peer] = edge
        ping(peer, &effects)
    }

    private mutating func fellSilent(_ peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        edges[peer]?.channel = .down
        leaveView(peer, &effects)
        effects.append(.changed(.channel(peer, isUp: false)))
        postponeAsking(peer, now)
    }

    private mutating func hungUp(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        // Asked or chosen in the meantime: then the channel is wanted after all.
        guard let edge = edges[peer], edge.isStranger else { return }
        closeEdge(peer, &effects)
    }

    mutating func greetNewChannels(_ now: Moment, _ effects: inout [MeshEffect]) {
        nextGreeting = .max
        for peer in edges.keys.sorted() {
            guard let edge = edges[peer], edge.channel == .greeting, edge.greetings < configuration.quickGreetings
            else { continue }
            edges[peer]?.greetings += 1
            greet(peer, &effects)
            nextGreeting = now.monotonic + configuration.greetingPeriod
        }
    }

    mutating func forget(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        store.remove(peer, isFinal: true)
        closeEdge(peer, &effects)
        effects.append(.changed(.gone(peer)))
    }

    /// Also without an edge of ours the peer may have been admitted, and is so no longer.
    mutating func closeEdge(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        leaveView(peer, &effects)
        if edges.removeValue(forKey: peer)?.channel == .up {
            effects.append(.changed(.channel(peer, isUp: false)))
        }
        effects.append(.disconnect(peer))
    }

    mutating func takeRequest() -> UInt64 {
        defer { nextRequest += 1 }
        return nextRequest
    }
}

extension ControlMessage {
    /// Whether it asks for something out of everything that is held.
    fileprivate var isQuestion: Bool {
        switch self {
        case .snapshotRequest, .digestSummary, .digestListing, .want: true
        default: false
        }
    }
}
