import Records

/// What neighbours publish: heard, judged, and forwarded to all neighbours but the one it came from.
extension Mesh {
    /// Whether everybody is everybody's neighbour, so that nobody needs to forward.
    var isDirect: Bool { store.count <= configuration.directPeers }

    mutating func heard(
        _ bytes: [UInt8], _ head: GossipHead, from peer: PeerID, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        guard var edge = edges[peer], edge.isNeighbour else { return }
        edge.missed = 0
        // A counter that goes back is that of a subscription begun anew.
        let isGap = head.counter > edge.heard + 1
        if isGap { statistics.missed += head.counter - edge.heard - 1 }
        edge.heard = head.counter
        edges[peer] = edge
        // The neighbour is asked at once what was dropped.
        if isGap { exchangeDigests(with: peer, now, &effects) }
        switch take(bytes, from: peer, mayHaveEnded: false, isGossip: true, now, &authority, &effects) {
        case .new(let frame):
            store.notePublished(frame.author, now: now)
            statistics.noteDelivery(
                hops: head.hops, age: now.wall - frame.validity.issuedAt, isBeacon: frame.purpose == .beacon)
            if head.hops == 0, frame.author == peer { edges[peer]?.clockOffset = frame.validity.issuedAt - now.wall }
            forward(bytes, hops: head.hops, from: peer, &effects)
            followUp(frame, from: peer, now, &effects)
        case .refused(.unknownAuthor): exchangeDigests(with: peer, now, &effects)
        case .known: statistics.duplicates += 1
        case .refused: break
        }
    }

    mutating func forward(_ bytes: [UInt8], hops: UInt8, from peer: PeerID?, _ effects: inout [MeshEffect]) {
        guard !isDirect else { return }
        broadcast(bytes, hops: hops == .max ? .max : hops + 1, besides: peer, &effects)
    }

    mutating func broadcast(
        _ frame: [UInt8], hops: UInt8 = 0, besides incoming: PeerID? = nil, _ effects: inout [MeshEffect]
    ) {
        for peer in neighbours where peer != incoming {
            guard let counter = edges[peer].map({ $0.published + 1 }) else { continue }
            edges[peer]?.published = counter
            statistics.published += 1
            effects.append(.publish(to: peer, GossipHead(counter: counter, hops: hops), frame: frame))
        }
    }

    /// A beacon for another set than the one held asks for the difference first.
    private mutating func followUp(
        _ frame: OpenedFrame, from peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        guard frame.purpose == .beacon, let holdings = store.peers[frame.author],
            holdings.renewedUntil < frame.validity.validUntil
        else { return }
        exchangeDigests(with: peer, now, &effects)
    }
}
