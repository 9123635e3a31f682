import Records

/// Whom this peer hears: everybody in a small mesh, a few at random in a large one.
///
/// A peer that is short of neighbours asks one that it draws from all it knows. Who is asked and has as many as it wants takes
/// the newcomer in place of one of its own, and names the newcomer to that one as its successor: an edge is split, so that
/// degrees stay even and the graph random (Law and Siu, INFOCOM 2003, build expanders so). Everybody knows everybody by
/// their records, so candidates are drawn evenly, and nobody can put itself forward by what it tells. Now and then one neighbour
/// is exchanged, which mixes the graph again after a partition.
extension Mesh {
    /// Neighbours that are wanted; in a small mesh everybody.
    private var degree: Int {
        isDirect ? configuration.neighbours : min(preset.degree, configuration.neighbours)
    }

    /// With fewer neighbours than this a peer asks for more. One less than the degree: were it the same, a peer that can't be
    /// paired would hand its lack around for ever.
    var fewest: Int { isDirect ? min(store.count - 1, degree) : degree - 1 }

    private var askedCount: Int { edges.values.count { $0.isAsked } }

    private var chosenNeighbours: Int { neighbours.count { edges[$0]?.isChosen ?? false } }

    /// Asks for as many neighbours as are missing, and lets go of those too many.
    mutating func tendView(_ now: Moment, _ effects: inout [MeshEffect]) {
        endStaleAsks(now, &effects)
        trimView(&effects)
        let asked = askedCount
        var missing = fewest - neighbours.count - asked
        // Where edges are split, each that is asked brings two.
        if !isDirect { missing = (missing + 1) / 2 }
        for _ in 0..<max(min(missing, configuration.asksAtOnce - asked), 0) {
            guard let candidate = drawCandidate(now) else { return }
            ask(candidate, now, &effects)
        }
    }

    private mutating func endStaleAsks(_ now: Moment, _ effects: inout [MeshEffect]) {
        let stale = edges.filter { _, edge in
            guard case .asked(let since, _) = edge.membership else { return false }
            return now.monotonic >= since + configuration.askTimeout
        }
        for (peer, edge) in stale.sorted(by: { $0.key < $1.key }) {
            edges[peer]?.membership = .none
            postponeAsking(peer, now)
            if edge.channel == .greeting { closeEdge(peer, &effects) }
        }
    }

    /// A mesh that has grown, or requests that crossed, leave a peer with more neighbours than it wants.
    private mutating func trimView(_ effects: inout [MeshEffect]) {
        while neighbours.count > degree + 1, let spare = drawSpare() { endNeighbour(spare, successor: nil, &effects) }
    }

    // MARK: Asking

    private mutating func ask(
        _ peer: PeerID, isChosen: Bool = true, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        let membership = Edge.Membership.asked(since: now.monotonic, isChosen: isChosen)
        if let edge = edges[peer] {
            edges[peer]?.membership = membership
            if edge.channel == .up { sendRequest(to: peer, &effects) }
        } else if let record = peerRecord(of: peer) {
            openEdge(
                to: peer, record.chain.certificate.value.curveKey, record.endpoints, as: membership, now, &effects)
        }
    }

    func sendRequest(to peer: PeerID, _ effects: inout [MeshEffect]) {
        effects.append(.send(to: peer, .neighbourRequest(isShort: neighbours.count < fewest)))
    }

    mutating func postponeAsking(_ peer: PeerID, _ now: Moment) {
        guard asksAgain.count < configuration.peers || asksAgain[peer] != nil else { return }
        asksAgain[peer] = now.monotonic + configuration.askAgain
    }

    mutating func endPostponements(_ now: Moment) { asksAgain = asksAgain.filter { $0.value > now.monotonic } }

    /// Whether the peer may be asked now.
    private func suits(_ peer: PeerID, _ now: Moment) -> Bool {
        guard peer != local, edges[peer]?.isStranger ?? true, edges[peer]?.channel != .down else { return false }
        return (asksAgain[peer] ?? 0) <= now.monotonic && quarantined[peer] == nil && !isBlocked(peer, now)
    }

    /// How often a candidate is drawn at random before the first one that suits is taken.
    private static let draws = 24

    /// A known peer at random: with a preference for zones of which the view has too few, and half of the time for those that
    /// were heard of lately, since after a great crash most that is known is dead, and after a partition most is not.
    private mutating func drawCandidate(_ now: Moment) -> PeerID? {
        let order = store.order
        guard order.count > 1 else { return nil }
        let wantsOwnZone = wantedZone()
        let wantsFresh = UInt64.random(in: 0..<2, using: &generator) == 0
        for draw in 0..<Self.draws {
            guard let peer = order.randomElement(using: &generator), suits(peer, now) else { continue }
            guard draw >= Self.draws / 2 || isPreferred(peer, wantsOwnZone, wantsFresh, now) else { continue }
            return peer
        }
        let start = Int.random(in: 0..<order.count, using: &generator)
        return (order[start...] + order[..<start]).first { suits($0, now) }
    }

    private func isPreferred(_ peer: PeerID, _ wantsOwnZone: Bool?, _ wantsFresh: Bool, _ now: Moment) -> Bool {
        guard let holdings = store.peers[peer] else { return false }
        if let wantsOwnZone, (holdings.own.peerRecord?.zone == own.presence.zone) != wantsOwnZone { return false }
        guard wantsFresh, let beacon = holdings.beacon else { return true }
        return now.wall - beacon.validity.issuedAt <= beacon.validity.term / 2
    }

    /// A few neighbours in the own zone, for speed, and a few outside, so that no zone is an island. Nil when both are there, or
    /// where zones are not told.
    private func wantedZone() -> Bool? {
        guard !own.presence.zone.isEmpty, !isDirect else { return nil }
        let inside = neighbours.count { peerRecord(of: $0)?.zone == own.presence.zone }
        if inside < Self.neighboursOfEachKind { return true }
        return neighbours.count - inside < Self.neighboursOfEachKind ? false : nil
    }

    /// Neighbours of the own zone, and of others, that a peer tries to have.
    private static let neighboursOfEachKind = 2

    // MARK: Answering

    mutating func receivedOfView(
        _ message: ControlMessage, from peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        guard let edge = edges[peer], edge.channel == .up else { return }
        switch message {
        case .neighbourRequest(let isShort): requested(by: peer, edge, isShort: isShort, now, &effects)
        case .neighbourAnswer(isAccepted: true) where edge.isAsked:
            becomeNeighbour(peer, isChosen: edge.isChosen, now, &effects)
            tendView(now, &effects)
        case .neighbourAnswer(isAccepted: true) where !edge.isNeighbour:
            // The answer came too late, and we have others.
            effects.append(.send(to: peer, .neighbourEnd(successor: nil)))
        case .neighbourAnswer(isAccepted: false) where edge.isAsked:
            edges[peer]?.membership = .none
            postponeAsking(peer, now)
            tendView(now, &effects)
        case .neighbourEnd(let successor):
            leaveView(peer, &effects)
            postponeAsking(peer, now)
            if let successor, edge.isNeighbour { follow(successor, now, &effects) }
            tendView(now, &effects)
        default: break
        }
    }

    /// An edge was split, and its new end wants this one. Nobody but a neighbour can say so, and the successor is no choice of
    /// this peer's own, so that nobody is talked out of those.
    private mutating func follow(_ successor: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        guard neighbours.count < degree, askedCount < configuration.asksAtOnce, store.peers[successor] != nil,
            suits(successor, now)
        else { return }
        ask(successor, isChosen: false, now, &effects)
    }

    private mutating func requested(
        by peer: PeerID, _ edge: Edge, isShort: Bool, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        let hasRoom = edge.isNeighbour || edge.isAsked || neighbours.count < degree
        guard hasRoom || isShort && handOver(to: peer, &effects) else {
            effects.append(.send(to: peer, .neighbourAnswer(isAccepted: false)))
            return
        }
        effects.append(.send(to: peer, .neighbourAnswer(isAccepted: true)))
        if !edge.isNeighbour { becomeNeighbour(peer, isChosen: edge.isChosen, now, &effects) }
    }

    /// Makes room for a newcomer that needs it: one neighbour goes over to it.
    private mutating func handOver(to newcomer: PeerID, _ effects: inout [MeshEffect]) -> Bool {
        guard let spare = drawSpare() else { return false }
        statistics.handedOver += 1
        endNeighbour(spare, successor: newcomer, &effects)
        return true
    }

    /// A neighbour that may go: of those that this peer chose itself, the preset's number always stays.
    private mutating func drawSpare() -> PeerID? {
        let chosen = chosenNeighbours
        let spare = neighbours.filter { chosen > preset.chosen || !(edges[$0]?.isChosen ?? false) }
        return spare.randomElement(using: &generator)
    }

    // MARK: Changing

    private mutating func becomeNeighbour(
        _ peer: PeerID, isChosen: Bool, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        guard var edge = edges[peer], !edge.isNeighbour else { return }
        edge.membership = .neighbour(isChosen: isChosen)
        // Both count anew: what is published before the subscription holds shows as a gap.
        (edge.heard, edge.published) = (0, 0)
        edges[peer] = edge
        neighbours.insert(peer, at: neighbours.firstIndex { $0 > peer } ?? neighbours.count)
        listen(to: peer, &effects)
        effects.append(.changed(.neighbour(peer, isUp: true)))
        exchangeDigests(with: peer, now, &effects)
    }

    mutating func listen(to peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let record = peerRecord(of: peer) else { return }
        let key = record.chain.certificate.value.curveKey
        if edges[peer]?.isInbound == true {
            edges[peer]?.isInbound = false
            effects.append(.connect(peer, key, record.endpoints))
            // On the new channel, so that the other knows whose it is.
            greet(peer, &effects)
        }
        effects.append(.subscribe(peer, key, record.endpoints))
    }

    private mutating func endNeighbour(_ peer: PeerID, successor: PeerID?, _ effects: inout [MeshEffect]) {
        leaveView(peer, &effects)
        effects.append(.send(to: peer, .neighbourEnd(successor: successor)))
    }

    /// It is a neighbour no longer; the channel stays until nobody uses it.
    mutating func leaveView(_ peer: PeerID, _ effects: inout [MeshEffect]) {
        guard edges[peer]?.isNeighbour == true else { return }
        edges[peer]?.membership = .none
        neighbours.removeAll { $0 == peer }
        effects.append(.unsubscribe(peer))
        effects.append(.changed(.neighbour(peer, isUp: false)))
    }

    /// A word about the membership may have been lost: after a second ping both see it alike again.
    mutating func compareMembership(with peer: PeerID, _ isTheirs: Bool, _ effects: inout [MeshEffect]) {
        guard let edge = edges[peer] else { return }
        guard edge.isNeighbour != isTheirs else {
            edges[peer]?.mismatches = 0
            return
        }
        edges[peer]?.mismatches = edge.mismatches + 1
        guard edge.mismatches > 0 else { return }
        edges[peer]?.mismatches = 0
        if edge.isNeighbour {
            leaveView(peer, &effects)
        } else {
            effects.append(.send(to: peer, .neighbourEnd(successor: nil)))
        }
    }

    /// Others may have let go of those that this peer chose, and have come of their own accord instead.
    mutating func chooseNeighbour(_ now: Moment, _ effects: inout [MeshEffect]) {
        guard !isDirect, neighbours.count >= fewest, chosenNeighbours < preset.chosen, askedCount == 0,
            let candidate = drawCandidate(now)
        else { return }
        ask(candidate, now, &effects)
    }

    /// Exchanges one neighbour for another.
    mutating func shuffleView(_ now: Moment, _ effects: inout [MeshEffect]) {
        guard !isDirect, neighbours.count >= fewest, let candidate = drawCandidate(now) else { return }
        statistics.shuffles += 1
        if neighbours.count >= degree, let spare = drawSpare() { endNeighbour(spare, successor: nil, &effects) }
        ask(candidate, now, &effects)
    }
}
