import Digest
import Records

/// Frames that come many at a time: in a snapshot, by an exchange, out of a store.
extension Mesh {
    /// Where frames come from that come many at a time.
    enum Delivery {
        case snapshot
        /// Pulled, or given by a neighbour that found them lacking: they are news, and forwarded like gossip.
        case exchange
        case store
    }

    /// Frames from a snapshot, a give or a store: applied one by one. What has ended is looked at only when its owner's beacon
    /// is among them, or has come before.
    mutating func receivedFrames(
        _ frames: [[UInt8]], from peer: PeerID?, by delivery: Delivery, _ now: Moment,
        _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        let opened = frames.map { opening.open($0, digest: opening.digest(of: $0)) }
        var chains: [PeerID: CertificateChain] = [:]
        for frame in opened.compactMap(\.self) {
            if let record = frame.peerRecord { chains[frame.author] = record.chain }
        }
        var beacons = BeaconCheck()
        for frame in opened.compactMap(\.self) {
            guard isListenedTo(peer) else { return }
            let chain = chains[frame.author] ?? peerRecord(of: frame.author)?.chain
            check(frame, by: chain, from: peer, &beacons, now, &authority, &effects)
        }
        for (bytes, frame) in zip(frames, opened) {
            // It may have been blocked over one of the frames, or said that it leaves.
            guard isListenedTo(peer) else { return }
            guard
                case .new(let frame) = take(bytes, frame, from: peer, beacons, now, &authority, &effects),
                delivery == .exchange
            else { continue }
            statistics.repaired += 1
            let isTooMuch = store.publishesTooMuch(frame.author, now: now)
            store.notePublished(frame.author, now: now)
            if !isTooMuch { forward(bytes, hops: 0, from: peer, &effects) }
        }
        tendView(now, &effects)
    }

    /// What was found out about the beacons among many frames, before the frames themselves are looked at.
    private struct BeaconCheck {
        /// Owners with a live beacon: what has ended is looked at beside it.
        var renewed: Set<PeerID> = []
        /// Beacons whose signature is right, and those that were refused for it.
        var authentic: Set<Digest256> = []
        var refused: Set<Digest256> = []
    }

    /// Nobody's word but its author's counts, so a beacon's signature is checked before anything is let in beside it.
    private mutating func check(
        _ frame: OpenedFrame, by chain: CertificateChain?, from peer: PeerID?, _ beacons: inout BeaconCheck,
        _ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        guard !beacons.renewed.contains(frame.author) else { return }
        if hasLiveBeacon(frame.author, now) {
            beacons.renewed.insert(frame.author)
        } else if frame.purpose == .beacon, frame.validity.isAcceptable(atWall: now.wall), let chain,
            !isDoubted(peer, now)
        {
            if let reason = authenticate(frame, chain, now, &authority) {
                beacons.refused.insert(frame.digest)
                refuse(reason, peer, now, &effects)
            } else {
                beacons.authentic.insert(frame.digest)
                beacons.renewed.insert(frame.author)
            }
        }
    }

    private mutating func take(
        _ bytes: [UInt8], _ frame: OpenedFrame?, from peer: PeerID?, _ beacons: BeaconCheck, _ now: Moment,
        _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) -> FrameOutcome {
        var arrival = Arrival(from: peer)
        if let frame {
            guard !beacons.refused.contains(frame.digest) else { return .known }
            arrival.mayHaveEnded = beacons.renewed.contains(frame.author)
            arrival.isAuthentic = beacons.authentic.contains(frame.digest)
        }
        return take(bytes, opened: frame, arrival, now, &authority, &effects)
    }

    /// Frames out of a store come from nobody.
    private func isListenedTo(_ peer: PeerID?) -> Bool { peer.map { edges[$0] != nil } ?? true }

    private func hasLiveBeacon(_ peer: PeerID, _ now: Moment) -> Bool {
        store.peers[peer]?.beacon.map { $0.validity.validUntil > now.wall } ?? false
    }
}
