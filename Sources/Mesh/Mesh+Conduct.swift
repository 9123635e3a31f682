package import Records

/// What is refused, and what becomes of a neighbour that sends what no honest one passes on.
extension Mesh {
    /// Frames of these kinds are refused before they are forwarded, so an honest neighbour never sends one.
    private static let dishonest: Set<RefusedFrame> = [.malformed, .badSignature]

    mutating func refuse(
        _ reason: RefusedFrame, _ from: PeerID?, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        effects.append(.changed(.refused(from: from, reason: reason)))
        if reason == .untrusted, let from { _ = edges[from]?.doubts.admits(now: now.monotonic) }
        guard Self.dishonest.contains(reason), let from, var edge = edges[from] else { return }
        edge.strikes += 1
        edges[from] = edge
        if edge.strikes >= configuration.strikes { block(from, now, &effects) }
    }

    /// Closes every channel to the peer, and looks at nothing of it for a while. What it has signed stays: others vouch for
    /// that with its signature.
    private mutating func block(_ peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        closeEdge(peer, &effects)
        // A peer that never showed itself has nothing but this channel.
        guard blocked.count < configuration.blocked, let key = peerRecord(of: peer)?.chain.certificate.value.curveKey
        else { return }
        blocked[peer] = now.monotonic + configuration.blockTime
        effects.append(.block(peer, key, nanoseconds: configuration.blockTime))
        effects.append(.changed(.blocked(peer)))
    }

    /// Whether chains that the neighbour brings are looked at.
    func isDoubted(_ peer: PeerID?, _ now: Moment) -> Bool {
        peer.flatMap { edges[$0]?.doubts.isExhausted(now: now.monotonic) } ?? false
    }

    func isBlocked(_ peer: PeerID, _ now: Moment) -> Bool { blocked[peer].map { $0 > now.monotonic } ?? false }

    mutating func endBlocks(_ now: Moment) { blocked = blocked.filter { $0.value > now.monotonic } }

    /// Peers that are blocked now, ascending.
    package var blockedPeers: [PeerID] { blocked.keys.sorted() }
}
