import Records

/// What neighbours publish: heard, judged, and forwarded to all neighbours but the one it came from.
extension Mesh {
    /// Whether everybody is everybody's neighbour, so that nobody needs to forward.
    var isDirect: Bool { store.count <= configuration.directPeers }

    /// Whether a mesh that has just become small has yet to make everybody a neighbour: until then what is said is forwarded.
    private var isScattered: Bool { neighbours.count < (store.count - 1) * 3 / 4 }

    mutating func heard(
        _ bytes: [UInt8], _ head: GossipHead, from peer: PeerID, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        guard let missed = edges[peer]?.heard(head) ?? nil else { return }
        statistics.noteMissed(missed)
        // The neighbour is asked at once what was dropped.
        if missed > 0 { exchangeDigests(with: peer, now, &effects) }
        guard GossipBundle.isClaimed(by: bytes) else {
            return heardFrame(bytes, hops: head.hops, from: peer, now, &authority, &effects)
        }
        guard !Self.isOfOtherVersion(bytes) else { return refuse(.unsupported, peer, now, &effects) }
        guard let bundle = try? GossipBundle(decoding: bytes) else { return refuse(.malformed, peer, now, &effects) }
        // Until it is blocked for what it sent.
        for entry in bundle.entries where edges[peer] != nil {
            heardFrame(entry.frame, hops: entry.hops, from: peer, now, &authority, &effects)
        }
    }

    private mutating func heardFrame(
        _ bytes: [UInt8], hops: UInt8, from peer: PeerID, _ now: Moment, _ authority: inout some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        switch take(bytes, Arrival(from: peer, isGossip: true), now, &authority, &effects) {
        case .new(let frame):
            store.notePublished(frame.author, now: now)
            let isBeacon = frame.purpose == .beacon
            statistics.noteDelivery(hops: hops, age: now.wall - frame.validity.issuedAt, isBeacon: isBeacon)
            if hops == 0, frame.author == peer { edges[peer]?.clockOffset = frame.validity.issuedAt - now.wall }
            if isBeacon, !isDirect, preset.beaconDelay > 0 {
                bundle(frame, hops: hops == .max ? .max : hops + 1, from: peer, now)
            } else {
                forward(bytes, hops: hops, from: peer, &effects)
            }
            followUp(frame, from: peer, now, &effects)
        case .refused(.unknownAuthor): exchangeDigests(with: peer, now, &effects)
        case .known:
            statistics.duplicates += 1
            // Who sends it has it.
            if !waiting.isEmpty { waiting[opening.digest(of: bytes)]?.holders.append(peer) }
        case .refused: break
        }
    }

    // MARK: Bundles

    /// A beacon that waits until several can be forwarded together.
    struct WaitingBeacon: Sendable {
        let entry: GossipBundle.Entry
        /// Neighbours that it came from.
        var holders: [PeerID]
    }

    private mutating func bundle(_ frame: OpenedFrame, hops: UInt8, from peer: PeerID, _ now: Moment) {
        waiting[frame.digest] = WaitingBeacon(entry: .init(hops: hops, frame: frame.bytes), holders: [peer])
        nextBundle = min(nextBundle, now.monotonic + preset.beaconDelay)
    }

    mutating func publishBundles(_ effects: inout [MeshEffect]) {
        nextBundle = .max
        let beacons = waiting.keys.sorted().compactMap { waiting[$0] }
        waiting.removeAll(keepingCapacity: true)
        for peer in neighbours {
            var entries: [GossipBundle.Entry] = []
            var size = GossipBundle.headSize
            for beacon in beacons where !beacon.holders.contains(peer) {
                if size + beacon.entry.size > WireLimits.gossipFrame || entries.count == WireLimits.framesInBundle {
                    publish(entries, to: peer, &effects)
                    (entries, size) = ([], GossipBundle.headSize)
                }
                entries.append(beacon.entry)
                size += beacon.entry.size
            }
            publish(entries, to: peer, &effects)
        }
    }

    private mutating func publish(_ entries: [GossipBundle.Entry], to peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let first = entries.first else { return }
        let bytes = entries.count == 1 ? first.frame : GossipBundle(entries: entries).encoded
        statistics.published += UInt64(entries.count)
        publish(bytes, hops: first.hops, to: peer, &effects)
    }

    mutating func forward(_ bytes: [UInt8], hops: UInt8, from peer: PeerID?, _ effects: inout [MeshEffect]) {
        guard !isDirect || isScattered else { return }
        broadcast(bytes, hops: hops == .max ? .max : hops + 1, besides: peer, &effects)
    }

    mutating func broadcast(
        _ frame: [UInt8], hops: UInt8 = 0, besides incoming: PeerID? = nil, _ effects: inout [MeshEffect]
    ) {
        for peer in neighbours where peer != incoming {
            statistics.published += 1
            publish(frame, hops: hops, to: peer, &effects)
        }
    }

    private mutating func publish(_ bytes: [UInt8], hops: UInt8, to peer: PeerID, _ effects: inout [MeshEffect]) {
        guard let counter = edges[peer]?.nextCounter() else { return }
        effects.append(.publish(to: peer, GossipHead(counter: counter, hops: hops), frame: bytes))
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
