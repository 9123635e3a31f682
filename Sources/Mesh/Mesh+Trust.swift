package import Digest
package import Records

/// What everybody must know to judge others: revocations, and proofs against peers. Each is told once to all neighbours, and
/// compared in every exchange, since who was away must know it too.
extension Mesh {
    /// Equal for those who know the same revocations and have quarantined the same peers, whatever proofs they have of it.
    var trustDigest: UInt64 { quarantined.keys.reduce(revocationDigest) { $0 ^ $1.digest.leadingWord } }

    /// Everything that a peer needs to judge others, to one that seems to lack a part.
    mutating func giveTrust(
        to peer: PeerID, _ now: Moment, _ authority: some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        guard var edge = edges[peer], edge.nextTrust <= now.monotonic else { return }
        edge.nextTrust = now.monotonic + configuration.trustGap
        edges[peer] = edge
        let proofs = quarantinedPeers.compactMap { quarantined[$0]?.proof }.filter(Self.isTellable)
        for page in pages(authority.revocations + proofs) {
            effects.append(.send(to: peer, .give(frames: page)))
        }
    }

    /// A revocation from a neighbour: believed, it is told on at once, in a small mesh too.
    mutating func takeRevocation(
        _ bytes: [UInt8], from: PeerID?, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        switch authority.take(revocation: bytes, now: now) {
        case .new(let id, let until):
            revocationDigest = authority.revocationDigest
            tell(revocation: bytes, id: id, until: until, besides: from, &effects)
            return .known
        case .known: return .known
        case .refused(let reason):
            refuse(reason, from, now, &effects)
            return .refused(reason)
        }
    }

    /// Tells a revocation that the authority has just taken from this peer's own files.
    package mutating func spread(revocation bytes: [UInt8], id: Digest256, until: Int64) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        tell(revocation: bytes, id: id, until: until, besides: nil, &effects)
        return effects
    }

    private mutating func tell(
        revocation bytes: [UInt8], id: Digest256, until: Int64, besides incoming: PeerID?,
        _ effects: inout [MeshEffect]
    ) {
        broadcast(bytes, besides: incoming, &effects)
        effects.append(.changed(.revoked(id: id, until: until, notice: bytes)))
    }

    /// Forgets the peers that are not believed any more. What they said may come back with a chain that is: a token can be
    /// replaced.
    package mutating func forgetUntrusted(now: Moment, authority: inout some MeshAuthority) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        for peer in store.order where peer != local {
            guard let chain = peerRecord(of: peer)?.chain, !authority.accepts(chain, now: now) else { continue }
            store.remove(peer, isFinal: false)
            closeEdge(peer, &effects)
            effects.append(.changed(.gone(peer)))
        }
        return effects
    }
}
