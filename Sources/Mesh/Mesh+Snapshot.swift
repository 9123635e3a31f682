import Records

/// Everything at once: for a joiner, and out of a store.
extension Mesh {
    /// Where frames come from that come many at a time.
    enum Delivery {
        case snapshot
        /// Pulled, or given by a neighbour that found them lacking: they are news, and forwarded like gossip.
        case exchange
        case store
    }

    /// A page of the snapshot: whole peers in order of their ids, `cursor` of them skipped.
    mutating func sendSnapshot(
        request: UInt64, cursor: UInt32, to peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        var frames: [[UInt8]] = []
        var bytes = 0
        var index = Int(cursor)
        while index < store.count {
            guard let holdings = store.peers[store.order[index]] else { break }
            let next = Self.frames(of: holdings, announcements: holdings.announcements)
            let size = next.reduce(0) { $0 + $1.count }
            if !frames.isEmpty,
                bytes + size > configuration.pageBytes || frames.count + next.count > WireLimits.framesInMessage
            {
                break
            }
            // What a page can't hold of one peer comes with the next digest exchange.
            frames += fitting(next)
            bytes += size
            index += 1
        }
        guard mayGive(frames, to: peer, now) else { return }
        let next: UInt32? = index < store.count ? UInt32(index) : nil
        effects.append(.send(to: peer, .snapshotPage(request: request, frames: frames, next: next)))
    }

    private func fitting(_ frames: [[UInt8]]) -> ArraySlice<[UInt8]> {
        var bytes = 0
        return frames.prefix(WireLimits.framesInMessage).prefix { frame in
            bytes += frame.count
            return bytes <= configuration.pageBytes
        }
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
        var renewed: Set<PeerID> = []
        for frame in opened.compactMap(\.self) where !renewed.contains(frame.author) {
            let chain = chains[frame.author] ?? peerRecord(of: frame.author)?.chain
            if hasLiveBeacon(frame.author, now) || isLiveBeacon(frame, by: chain, now, &authority) {
                renewed.insert(frame.author)
            }
        }
        for (bytes, frame) in zip(frames, opened) {
            let isRenewed = frame.map { renewed.contains($0.author) } ?? false
            guard
                case .new = take(bytes, from: peer, mayHaveEnded: isRenewed, now, &authority, &effects),
                delivery == .exchange
            else { continue }
            statistics.repaired += 1
            forward(bytes, hops: 0, from: peer, &effects)
        }
        tendView(now, &effects)
    }

    /// Nobody's word but its author's counts, so the signature is checked before anything is let in beside it.
    private mutating func isLiveBeacon(
        _ frame: OpenedFrame, by chain: CertificateChain?, _ now: Moment, _ authority: inout some MeshAuthority
    ) -> Bool {
        guard frame.purpose == .beacon, frame.validity.validUntil > now.wall,
            frame.validity.issuedAt <= now.wall + ValidityLimits.skew, let chain
        else { return false }
        return authenticate(frame, chain, now, &authority) == nil
    }

    private func hasLiveBeacon(_ peer: PeerID, _ now: Moment) -> Bool {
        store.peers[peer]?.beacon.map { $0.validity.validUntil > now.wall } ?? false
    }
}
