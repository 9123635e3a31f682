import Records

/// The gossip socket, and the digest exchange that makes good what it drops.
extension Mesh {
    mutating func heard(
        _ frame: [UInt8], _ head: GossipHead, from peer: PeerID, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        guard edges[peer] != nil else { return }
        edges[peer]?.missed = 0
        let expected = edges[peer]?.gossipCounter.map { $0 &+ 1 }
        edges[peer]?.gossipCounter = head.counter
        // A gap says that frames were dropped on this edge; the neighbour is asked at once what they were.
        if let expected, head.counter > expected { exchangeDigests(with: peer, &effects) }
        switch take(frame, from: peer, mayHaveEnded: false, now, &authority, &effects) {
        case .new:
            if store.peers.count > configuration.directPeers {
                broadcast(frame, hops: head.hops == .max ? .max : head.hops + 1, besides: peer, &effects)
            }
            followUp(frame, from: peer, &effects)
        case .refused(.unknownAuthor): exchangeDigests(with: peer, &effects)
        case .known, .refused: break
        }
    }

    /// A beacon for another set than the one held asks for the difference first.
    private mutating func followUp(_ bytes: [UInt8], from peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let frame = try? SignedFrame(decoding: bytes), frame.purpose == .beacon,
            let holdings = store.peers[frame.author], let beacon = holdings.beacon,
            holdings.renewedUntil < beacon.validity.validUntil
        else { return }
        exchangeDigests(with: peer, &effects)
    }

    mutating func exchangeDigests(with peer: PeerID, _ effects: inout [MeshEffect]) {
        guard edges[peer]?.state == .up else { return }
        effects.append(.send(to: peer, .digestSummary(buckets: store.bucketDigests())))
    }

    mutating func exchangeWithRandomNeighbour(_ now: Moment, _ effects: inout [MeshEffect]) {
        let live = edges.keys.sorted().filter { edges[$0]?.state == .up }
        guard let peer = live.randomElement(using: &generator) else { return }
        exchangeDigests(with: peer, &effects)
        askForRenewals(from: peer, now, &effects)
    }

    /// Peers of which several beacons are missing are asked after: the digests are of records, and say nothing of
    /// beacons.
    private func askForRenewals(from peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        let missing = store.sortedPeers.filter { owner in
            guard owner != local, let holdings = store.peers[owner] else { return false }
            return holdings.validUntil <= now.wall + configuration.term
        }
        guard !missing.isEmpty else { return }
        let owners = missing.prefix(configuration.exchangeRenewals)
        effects.append(.send(to: peer, .want(records: owners.map(RecordKeys.peer))))
    }

    mutating func receivedSummary(_ buckets: [UInt64], from peer: PeerID, _ effects: inout [MeshEffect]) {
        let ours = store.bucketDigests()
        let differing = (0..<ControlMessage.bucketCount).filter { ours[$0] != buckets[$0] }
        guard !differing.isEmpty else { return }
        let stamps = store.stamps(inBuckets: Set(differing), limit: WireLimits.recordsInMessage)
        effects.append(
            .send(to: peer, .digestListing(buckets: differing.map { UInt8($0) }, entries: stamps)))
    }

    /// Pulls what the neighbour has newer, and gives what it lacks.
    mutating func receivedListing(
        _ buckets: [UInt8], _ entries: [RecordStamp], from peer: PeerID, _ effects: inout [MeshEffect]
    ) {
        var theirs: [RecordID: Version] = [:]
        for entry in entries { theirs[entry.record] = entry.version }
        let wanted = entries.filter { store.wants($0.record, $0.version) }
        if !wanted.isEmpty {
            effects.append(.send(to: peer, .want(records: wanted.prefix(configuration.exchangeRecords).map(\.record))))
        }
        let ours = store.stamps(inBuckets: Set(buckets.map(Int.init)), limit: WireLimits.recordsInMessage)
        let lacking = ours.filter { stamp in theirs[stamp.record].map { $0 < stamp.version } ?? true }
        give(lacking.prefix(configuration.exchangeRecords).map(\.record), to: peer, &effects)
    }

    /// Sends records, each owner's own record and beacon first, so that the receiver can judge and renew the others.
    mutating func give(_ records: [RecordID], to peer: PeerID, _ effects: inout [MeshEffect]) {
        var byOwner: [PeerID: [[UInt8]]] = [:]
        for id in records {
            guard let found = store.frame(of: id), id != RecordKeys.peer(found.owner) else {
                if let owner = store.frame(of: id)?.owner { byOwner[owner, default: []] += [] }
                continue
            }
            byOwner[found.owner, default: []].append(found.frame)
        }
        var page: [[UInt8]] = []
        var bytes = 0
        for owner in byOwner.keys.sorted() {
            for frame in framesOfPeer(owner, announcements: byOwner[owner] ?? []) {
                if bytes + frame.count > configuration.pageBytes || page.count >= WireLimits.framesInMessage {
                    effects.append(.send(to: peer, .give(frames: page)))
                    (page, bytes) = ([], 0)
                }
                page.append(frame)
                bytes += frame.count
            }
        }
        if !page.isEmpty { effects.append(.send(to: peer, .give(frames: page))) }
    }

    func framesOfPeer(_ owner: PeerID, announcements: [[UInt8]]) -> [[UInt8]] {
        guard let holdings = store.peers[owner], let own = holdings.held[RecordKeys.peer(owner)] else { return [] }
        return [own.frame] + (holdings.beaconFrame.isEmpty ? [] : [holdings.beaconFrame]) + announcements
    }

    /// A page of the snapshot: whole peers in order of their ids, `cursor` of them skipped.
    mutating func sendSnapshot(request: UInt64, cursor: UInt32, to peer: PeerID, _ effects: inout [MeshEffect]) {
        let peers = store.sortedPeers
        var frames: [[UInt8]] = []
        var bytes = 0
        var index = Int(cursor)
        while index < peers.count {
            let holdings = store.peers[peers[index]]
            let announcements = (holdings?.held.keys.sorted() ?? []).compactMap { id -> [UInt8]? in
                guard let held = holdings?.held[id], held.announcement != nil else { return nil }
                return held.frame
            }
            let next = framesOfPeer(peers[index], announcements: announcements)
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
        let cursorAfter: UInt32? = index < peers.count ? UInt32(index) : nil
        effects.append(.send(to: peer, .snapshotPage(request: request, frames: frames, next: cursorAfter)))
    }

    private func fitting(_ frames: [[UInt8]]) -> ArraySlice<[UInt8]> {
        var bytes = 0
        return frames.prefix(WireLimits.framesInMessage).prefix { frame in
            bytes += frame.count
            return bytes <= configuration.pageBytes
        }
    }

    /// Frames from a snapshot, a give or a store: applied one by one; new peers become neighbours. What has ended is looked
    /// at only when its owner's beacon is among them, or has come before.
    mutating func receivedFrames(
        _ frames: [[UInt8]], from peer: PeerID?, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        let decoded = frames.map { try? SignedFrame(decoding: $0) }
        var chains: [PeerID: CertificateChain] = [:]
        for frame in decoded.compactMap(\.self) where frame.purpose == .peerRecord {
            chains[frame.author] = (try? PeerRecord(decoding: frame.payload))?.chain
        }
        var renewed: Set<PeerID> = []
        for case let frame? in decoded where !renewed.contains(frame.author) {
            let chain = chains[frame.author] ?? store.peers[frame.author]?.record.chain
            if hasLiveBeacon(frame.author, now) || isLiveBeacon(frame, by: chain, now, &authority) {
                renewed.insert(frame.author)
            }
        }
        for (bytes, frame) in zip(frames, decoded) {
            let isRenewed = frame.map { renewed.contains($0.author) } ?? false
            _ = take(bytes, from: peer, mayHaveEnded: isRenewed, now, &authority, &effects)
        }
        connectToKnownPeers(&effects)
    }

    /// Nobody's word but its author's counts, so the signature is checked before anything is let in beside it.
    private func isLiveBeacon(
        _ frame: SignedFrame, by chain: CertificateChain?, _ now: Moment, _ authority: inout some MeshAuthority
    ) -> Bool {
        guard frame.purpose == .beacon, let beacon = try? Beacon(decoding: frame.payload),
            beacon.validity.validUntil > now.wall, beacon.validity.issuedAt <= now.wall + ValidityLimits.skew,
            let chain, chain.peer == frame.author, authority.accepts(chain, now: now)
        else { return false }
        return authority.isAuthentic(frame, by: chain)
    }

    private func hasLiveBeacon(_ peer: PeerID, _ now: Moment) -> Bool {
        guard let beacon = store.peers[peer]?.beacon else { return false }
        return beacon.validity.validUntil > now.wall
    }
}
