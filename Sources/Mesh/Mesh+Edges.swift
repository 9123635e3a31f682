package import Records

/// Bootstrap, greeting, pings: how a peer finds neighbours and keeps them.
extension Mesh {
    mutating func bootstrapAnswered(
        _ address: String, _ answer: BootstrapAnswer, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        postponeSeed(address, now, by: configuration.bootstrapRefresh)
        let peer = answer.chain.peer
        guard peer != local, edges[peer] == nil, quarantined[peer] == nil else { return }
        openEdge(to: peer, answer.chain.certificate.value.curveKey, answer.endpoints, &effects)
    }

    mutating func postponeSeed(_ address: String, _ now: Moment, by delay: UInt64? = nil) {
        for index in seeds.indices where seeds[index].address == address {
            seeds[index].nextAttempt = now.monotonic + (delay ?? configuration.bootstrapRetry)
        }
    }

    mutating func openEdge(
        to peer: PeerID, _ curveKey: CurveKey, _ endpoints: Endpoints, bound: Int? = nil,
        _ effects: inout [MeshEffect]
    ) {
        guard edges.count < bound ?? configuration.neighbours else { return }
        edges[peer] = Edge()
        effects.append(.connect(peer, curveKey, endpoints))
        greet(peer, &effects)
        // At once: the next tick sets the pace.
        nextGreeting = 0
    }

    /// Opens an edge to a known peer although there may be neighbours enough: somebody wants to read from it.
    package mutating func reach(_ peer: PeerID) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        guard peer != local, edges[peer] == nil, let record = store.peers[peer]?.record else { return effects }
        openEdge(
            to: peer, record.chain.certificate.value.curveKey, record.endpoints,
            bound: configuration.neighbours + configuration.reachedNeighbours, &effects)
        return effects
    }

    mutating func greet(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let own = store.frame(of: RecordKeys.peer(local))?.frame else { return }
        effects.append(.send(to: peer, .hello(record: own)))
    }

    /// Every known peer becomes a neighbour while there is room: a full mesh of few, a random graph of many.
    mutating func connectToKnownPeers(_ effects: inout [MeshEffect]) {
        let room = configuration.neighbours - edges.count
        guard room > 0 else { return }
        var strangers = store.sortedPeers.filter { $0 != local && edges[$0] == nil }
        if strangers.count > room { strangers.shuffle(using: &generator) }
        for peer in strangers.prefix(room) {
            guard let record = store.peers[peer]?.record else { continue }
            openEdge(to: peer, record.chain.certificate.value.curveKey, record.endpoints, &effects)
        }
    }

    /// A hello shows a chain for the CURVE key of the channel it came on; from then on the channel is that peer's.
    mutating func greeted(
        _ curveKey: CurveKey, _ bytes: [UInt8], _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        guard let frame = try? SignedFrame(decoding: bytes), frame.purpose == .peerRecord,
            let record = try? PeerRecord(decoding: frame.payload),
            record.chain.certificate.value.curveKey == curveKey, frame.author != local
        else {
            effects.append(.changed(.refused(from: nil, reason: .malformed)))
            return
        }
        if case .refused = take(bytes, from: nil, mayHaveEnded: true, now, &authority, &effects) { return }
        guard store.peers[frame.author] != nil else { return }
        edges[frame.author]?.missed = 0
        store.keep(frame.author, untilWall: now.wall + configuration.greetingGrace)
        effects.append(.admit(curveKey, frame.author))
        if let own = store.frame(of: RecordKeys.peer(local))?.frame {
            effects.append(.send(to: frame.author, .welcome(record: own)))
        }
        if edges[frame.author] == nil {
            openEdge(to: frame.author, curveKey, record.endpoints, &effects)
        } else if edges[frame.author]?.state != .up {
            greet(frame.author, &effects)
        }
    }

    mutating func welcomed(
        by peer: PeerID, _ bytes: [UInt8], _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        guard (try? SignedFrame(decoding: bytes))?.author == peer else { return }
        if case .refused = take(bytes, from: peer, mayHaveEnded: true, now, &authority, &effects) { return }
        guard let record = store.peers[peer]?.record, let edge = edges[peer] else { return }
        store.keep(peer, untilWall: now.wall + configuration.greetingGrace)
        lost.remove(peer)
        let wasUp = edge.state == .up
        edges[peer]?.state = .up
        edges[peer]?.missed = 0
        if !edge.isSubscribed {
            edges[peer]?.isSubscribed = true
            effects.append(.subscribe(peer, record.chain.certificate.value.curveKey, record.endpoints))
        }
        guard !wasUp else { return }
        effects.append(.changed(.neighbour(peer, isUp: true)))
        for page in pagesOfProofs { effects.append(.send(to: peer, .give(frames: page))) }
        if store.peers.count <= 2 {
            effects.append(.send(to: peer, .snapshotRequest(request: takeRequest(), cursor: 0)))
        } else {
            exchangeDigests(with: peer, &effects)
        }
    }

    mutating func received(
        _ message: ControlMessage, from peer: PeerID, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        // A peer that was forgotten greets first: what it says before is nobody's word.
        guard store.peers[peer] != nil || edges[peer] != nil else { return }
        edges[peer]?.missed = 0
        switch message {
        case .welcome(let record): welcomed(by: peer, record, now, &authority, &effects)
        case .ping(let request): effects.append(.send(to: peer, .pong(request: request)))
        case .snapshotRequest(let request, let cursor):
            sendSnapshot(request: request, cursor: cursor, to: peer, &effects)
        case .snapshotPage(_, let frames, let next):
            receivedFrames(frames, from: peer, now, &authority, &effects)
            if let next {
                effects.append(.send(to: peer, .snapshotRequest(request: takeRequest(), cursor: next)))
            }
        case .digestSummary(let buckets): receivedSummary(buckets, from: peer, &effects)
        case .digestListing(let buckets, let entries): receivedListing(buckets, entries, from: peer, &effects)
        case .want(let records): give(Array(records.prefix(configuration.exchangeRecords)), to: peer, &effects)
        case .give(let frames): receivedFrames(frames, from: peer, now, &authority, &effects)
        case .goodbye: forget(peer, &effects)
        default: break
        }
    }

    mutating func tick(_ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]) {
        if now.monotonic >= nextExpiry {
            nextExpiry = now.monotonic + Duration64.second
            endQuarantines(atWall: now.wall)
            for (peer, record) in store.expire(atWall: now.wall, besides: local) {
                lost.insert(record, now: now)
                nextLostGreeting = min(nextLostGreeting, now.monotonic + configuration.lostGreetingPeriod)
                closeEdge(peer, &effects)
                effects.append(.changed(.gone(peer)))
            }
        }
        if now.monotonic >= nextBeacon {
            nextBeacon = now.monotonic + configuration.beaconPeriod
            if let set = store.peers[local]?.setDigest {
                publish(own.beacon(recordSet: set, term: configuration.term, now: now), now, &authority, &effects)
            }
        }
        if now.monotonic >= nextPing {
            nextPing = now.monotonic + configuration.pingPeriod
            pingNeighbours(&effects)
        }
        if now.monotonic >= nextLostGreeting { greetOneOfTheLost(now, &effects) }
        if now.monotonic >= nextGreeting { greetNewNeighbours(now, &effects) }
        if now.monotonic >= nextAntiEntropy {
            nextAntiEntropy = now.monotonic + configuration.antiEntropyPeriod
            exchangeWithRandomNeighbour(now, &effects)
            connectToKnownPeers(&effects)
        }
        for index in seeds.indices where now.monotonic >= seeds[index].nextAttempt {
            let isAlone = neighbourCount == 0
            seeds[index].nextAttempt =
                now.monotonic + (isAlone ? configuration.bootstrapRetry : configuration.bootstrapRefresh)
            effects.append(.bootstrap(address: seeds[index].address))
        }
    }

    private mutating func greetOneOfTheLost(_ now: Moment, _ effects: inout [MeshEffect]) {
        let isStillLost: (PeerID) -> Bool = { [store, edges] in store.peers[$0] == nil && edges[$0] == nil }
        if let (peer, entry) = lost.draw(now: now, using: &generator, where: isStillLost) {
            openEdge(to: peer, entry.curveKey, entry.endpoints, &effects)
        }
        nextLostGreeting = lost.isEmpty ? .max : now.monotonic + configuration.lostGreetingPeriod
    }

    private mutating func greetNewNeighbours(_ now: Moment, _ effects: inout [MeshEffect]) {
        nextGreeting = .max
        for peer in edges.keys.sorted() {
            guard let edge = edges[peer], case .greeting = edge.state,
                edge.greetings < configuration.quickGreetings
            else { continue }
            edges[peer]?.greetings += 1
            greet(peer, &effects)
            nextGreeting = now.monotonic + configuration.greetingPeriod
        }
    }

    private mutating func pingNeighbours(_ effects: inout [MeshEffect]) {
        for peer in edges.keys.sorted() {
            guard var edge = edges[peer] else { continue }
            edge.missed += 1
            if edge.state == .up, edge.missed > configuration.missedPings {
                edge.state = .down
                edge.isSubscribed = false
                effects.append(.changed(.neighbour(peer, isUp: false)))
            }
            let isStillKnown = store.peers[peer] != nil
            edges[peer] = edge
            switch edge.state {
            case .up: effects.append(.send(to: peer, .ping(request: takeRequest())))
            case .greeting, .down:
                // An edge to a peer that nobody vouches for any more has nothing to wait for.
                if !isStillKnown, edge.missed > 5 * configuration.missedPings {
                    closeEdge(peer, &effects)
                } else {
                    greet(peer, &effects)
                }
            }
        }
    }

    mutating func forget(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        store.remove(peer, isFinal: true)
        closeEdge(peer, &effects)
        effects.append(.changed(.gone(peer)))
    }

    /// Also without an edge of ours the peer may have been admitted, and is so no longer.
    private mutating func closeEdge(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        edges[peer] = nil
        effects.append(.disconnect(peer))
    }

    mutating func takeRequest() -> UInt64 {
        defer { nextRequest += 1 }
        return nextRequest
    }
}
