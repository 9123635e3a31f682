import Records

/// Anti-entropy: two neighbours compare digests of what they hold, and each gives the other what it lacks. Everything that
/// gossip promises rests on this, since sockets drop without a word.
extension Mesh {
    mutating func exchangeDigests(with peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        guard let edge = edges[peer], edge.channel == .up, edge.nextExchange <= now.monotonic else { return }
        let next = now.monotonic + configuration.exchangeGap
        edges[peer]?.nextExchange = next
        statistics.exchanges += 1
        effects.append(.send(to: peer, .digestSummary(buckets: store.buckets, trust: trustDigest)))
    }

    mutating func exchangeWithRandomNeighbour(_ now: Moment, _ effects: inout [MeshEffect]) {
        guard let peer = neighbours.randomElement(using: &generator) else { return }
        exchangeDigests(with: peer, now, &effects)
        askForRenewals(from: peer, now, &effects)
    }

    /// Peers of which several beacons are missing are asked after: the digests are of records, and say nothing of
    /// beacons.
    private mutating func askForRenewals(from peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        var missing = store.missed(atWall: now.wall, besides: local)
        guard !missing.isEmpty else { return }
        // Not always the same ones, where more are missing than are asked for.
        if missing.count > configuration.exchangeRenewals { missing.shuffle(using: &generator) }
        effects.append(.send(to: peer, .want(records: Array(missing.prefix(configuration.exchangeRenewals)))))
    }

    mutating func receivedSummary(
        _ buckets: [UInt64], trust: UInt64, from peer: PeerID, _ now: Moment, _ authority: some MeshAuthority,
        _ effects: inout [MeshEffect]
    ) {
        lastCompared = now.monotonic
        // What a snapshot is about to bring needs no listing; when a page is late, exchanges go on beside it.
        guard taking.map({ $0.attempts > 1 }) ?? true else { return }
        if trust != trustDigest { giveTrust(to: peer, now, authority, &effects) }
        // From any bucket on: those that can never be made equal don't keep the others from being listed.
        let first = UInt8.random(in: 0 ... .max, using: &generator)
        let differing = (0..<ControlMessage.bucketCount).map { first &+ UInt8($0) }
            .filter { store.buckets[Int($0)] != buckets[Int($0)] }
        guard !differing.isEmpty else {
            if trust == trustDigest { edges[peer]?.hasAgreed = true }
            return
        }
        // Listed even when most differs: names and versions are a twentieth of the records themselves.
        let (listed, stamps) = store.stamps(inBuckets: differing, limit: WireLimits.recordsInMessage)
        guard mayGive(bytes: stamps.count * Self.stampBytes, to: peer, now) else { return }
        effects.append(.send(to: peer, .digestListing(buckets: listed, entries: stamps)))
    }

    /// A record's id and version in a listing.
    private static let stampBytes = 48

    /// Pulls what the neighbour has newer, and gives what it lacks.
    mutating func receivedListing(
        _ buckets: [UInt8], _ entries: [RecordStamp], from peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]
    ) {
        var theirs: [RecordID: Version] = [:]
        for entry in entries { theirs[entry.record] = entry.version }
        let wanted = some(of: entries.filter { store.wants($0.record, $0.version) })
        if !wanted.isEmpty { effects.append(.send(to: peer, .want(records: wanted))) }
        let ours = store.stamps(inBuckets: buckets, limit: WireLimits.recordsInMessage)
        let lacking = ours.stamps.filter { stamp in theirs[stamp.record].map { $0 < stamp.version } ?? true }
        let doubtful = contradictions(ours, entries, theirs).shuffled(using: &generator)
        give(some(of: lacking) + doubtful.prefix(configuration.doubtfulRecords), to: peer, now, &effects)
    }

    /// As many as one exchange may bring; not always the same ones, since some may be refused each time.
    private mutating func some(of stamps: [RecordStamp]) -> [RecordID] {
        guard stamps.count > configuration.exchangeRecords else { return stamps.map(\.record) }
        return stamps.shuffled(using: &generator).prefix(configuration.exchangeRecords).map(\.record)
    }

    /// Records in buckets that differ although both sides hold the same versions: of one of them there are two frames, and who
    /// sees both knows that its owner contradicts itself.
    private func contradictions(
        _ ours: (buckets: [UInt8], stamps: [RecordStamp]), _ entries: [RecordStamp], _ theirs: [RecordID: Version]
    ) -> [RecordID] {
        var alike = Set(ours.buckets.map(Int.init))
        for stamp in ours.stamps where theirs[stamp.record] != stamp.version {
            alike.remove(RecordStore.bucket(of: stamp.record))
        }
        for entry in entries where store.frame(of: entry.record) == nil {
            alike.remove(RecordStore.bucket(of: entry.record))
        }
        return ours.stamps.map(\.record).filter { alike.contains(RecordStore.bucket(of: $0)) }
    }

    /// Sends records, each owner's own record and beacon first, so that the receiver can judge and renew the others.
    mutating func give(_ records: [RecordID], to peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        var wanted: [PeerID: [OpenedFrame]] = [:]
        var named: Set<RecordID> = []
        for id in records {
            guard named.insert(id).inserted, let frame = store.frame(of: id) else { continue }
            wanted[frame.author, default: []] += frame.announcement == nil ? [] : [frame]
        }
        var frames: [[UInt8]] = []
        for owner in wanted.keys.sorted() {
            guard let holdings = store.peers[owner] else { continue }
            frames += Self.frames(of: holdings, announcements: wanted[owner] ?? [])
        }
        for page in pages(frames) {
            guard mayGive(page, to: peer, now) else { return }
            effects.append(.send(to: peer, .give(frames: page)))
        }
    }

    /// Whether the neighbour has not asked for too much of late.
    mutating func mayGive(_ frames: [[UInt8]], to peer: PeerID, _ now: Moment) -> Bool {
        mayGive(bytes: frames.reduce(0) { $0 + $1.count }, to: peer, now)
    }

    private mutating func mayGive(bytes: Int, to peer: PeerID, _ now: Moment) -> Bool {
        guard edges[peer]?.gives.admits(UInt64(bytes), now: now.monotonic) == true else { return false }
        statistics.bytesGiven += UInt64(bytes)
        return true
    }

    static func frames(of holdings: PeerHoldings, announcements: [OpenedFrame]) -> [[UInt8]] {
        [holdings.own.bytes] + (holdings.beacon.map { [$0.bytes] } ?? []) + announcements.map(\.bytes)
    }

    /// Cut into messages that a control channel takes.
    func pages(_ frames: [[UInt8]]) -> [[[UInt8]]] {
        var pages: [[[UInt8]]] = []
        var room = 0
        for frame in frames {
            if frame.count > room || (pages.last?.count ?? 0) >= WireLimits.framesInMessage {
                pages.append([])
                room = configuration.pageBytes
            }
            pages[pages.count - 1].append(frame)
            room -= frame.count
        }
        return pages
    }
}
