package import Records

/// A peer that signs two payloads under one version is proven to be faulty or hostile: it is quarantined, everywhere, until its
/// certificate ends. Only the one peer is judged; others of its token are not.
extension Mesh {
    /// Why a peer is quarantined, and until when, milliseconds since 1970.
    struct Quarantine: Sendable {
        let proof: [UInt8]
        let until: Int64
    }

    /// Peers that are quarantined, in order.
    package var quarantinedPeers: [PeerID] { quarantined.keys.sorted() }

    /// Two verified frames contradict each other.
    mutating func convict(_ frame: OpenedFrame, _ held: OpenedFrame, _ effects: inout [MeshEffect]) {
        guard let chain = peerRecord(of: frame.author)?.chain else { return }
        let proof = EquivocationProof(frame.bytes, held.bytes, by: chain)
        quarantine(frame.author, proof.encoded, chain, &effects)
    }

    /// A proof from somebody else: both signatures are checked before anything is believed. Nil when it is believed.
    mutating func takeProof(
        _ bytes: [UInt8], _ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) -> RefusedFrame? {
        guard let proof = try? EquivocationProof(decoding: bytes),
            let first = try? SignedFrame(decoding: proof.first), let second = try? SignedFrame(decoding: proof.second),
            first.author == second.author, first.payload != second.payload, let subject = Self.subject(of: first),
            let other = Self.subject(of: second), subject == other
        else { return .malformed }
        guard first.author != local, quarantined[first.author] == nil else { return nil }
        let chain = proof.chain
        guard chain.peer == first.author, authority.accepts(chain, now: now) else { return .untrusted }
        guard authority.isAuthentic(first, by: chain), authority.isAuthentic(second, by: chain) else {
            return .badSignature
        }
        quarantine(first.author, bytes, chain, &effects)
        return nil
    }

    /// Two long frames and a long chain may be more than a frame of the gossip can hold; each finds out for itself then.
    static func isTellable(_ proof: [UInt8]) -> Bool { proof.count <= WireLimits.gossipFrame }

    mutating func endQuarantines(atWall wall: Int64) { quarantined = quarantined.filter { $0.value.until > wall } }

    private mutating func quarantine(
        _ peer: PeerID, _ proof: [UInt8], _ chain: CertificateChain, _ effects: inout [MeshEffect]
    ) {
        guard peer != local, quarantined[peer] == nil, quarantined.count < configuration.quarantined else { return }
        quarantined[peer] = Quarantine(proof: proof, until: chain.certificate.value.notAfter)
        effects.append(.changed(.quarantined(peer)))
        forget(peer, &effects)
        lost.remove(peer)
        if Self.isTellable(proof) { broadcast(proof, &effects) }
    }

    /// Which record in which version a frame speaks of.
    private struct Subject: Equatable {
        let id: RecordID
        let version: Version
    }

    private static func subject(of frame: SignedFrame) -> Subject? {
        switch frame.purpose {
        case .peerRecord:
            (try? PeerRecord(decoding: frame.payload)).map {
                Subject(id: RecordKeys.peer(frame.author), version: $0.version)
            }
        case .announcement:
            (try? Announcement(decoding: frame.payload)).map {
                Subject(
                    id: RecordKeys.announcement(frame.author, $0.identity.id, rank: $0.rank), version: $0.version)
            }
        default: nil
        }
    }
}
