import Digest
import Records

/// Proofs against peers: told once to everybody, and compared in every exchange, since who was away must know them too.
extension Mesh {
    /// Equal for those who have quarantined the same peers, whatever proofs they have of it.
    var trustDigest: UInt64 { quarantined.keys.reduce(0) { $0 ^ $1.digest.leadingWord } }

    /// Everything that a peer needs to judge others, to one that seems to lack a part.
    mutating func giveTrust(to peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        guard var edge = edges[peer], edge.nextTrust <= now.monotonic else { return }
        edge.nextTrust = now.monotonic + configuration.trustGap
        edges[peer] = edge
        for page in pages(quarantinedPeers.compactMap { quarantined[$0]?.proof }) {
            effects.append(.send(to: peer, .give(frames: page)))
        }
    }
}
