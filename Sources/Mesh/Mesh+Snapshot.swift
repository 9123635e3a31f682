import Digest
package import Records

/// Snapshots: for a joiner, everything or what concerns it, at one moment.
extension Mesh {
    /// Adds what this peer wants to read to what it asks a snapshot of; the oldest gives way when a request holds no more. Where it has
    /// joined and knows nobody who has it, it asks at once: its own snapshot was of other things.
    package mutating func note(interest: SnapshotInterest, now: Moment) -> [MeshEffect] {
        guard !interests.contains(interest) else { return [] }
        if interests.count >= WireLimits.snapshotInterests { interests.removeFirst() }
        interests.append(interest)
        var effects: [MeshEffect] = []
        guard !configuration.wantsEverything, sources(of: interest).isEmpty else { return effects }
        let channels = edges.keys.filter { hasChannel(to: $0) }.sorted()
        let servers = channels.filter { peerRecord(of: $0)?.chain.certificate.value.roles.contains(.server) == true }
        let asked = servers.isEmpty ? channels : servers
        if let peer = asked.randomElement(using: &generator) { takeSnapshot(from: peer, now, &effects) }
        return effects
    }

    // MARK: Giving

    mutating func sendSnapshot(
        request: UInt64, _ filter: SnapshotFilter, _ cursor: SnapshotCursor?, to peer: PeerID, _ now: Moment,
        _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        let begun = cursor.flatMap { shelf.snapshot(at: $0) }
        guard let snapshot = begun ?? makeSnapshot(filter, now, &authority) else { return }
        // A snapshot that is not here any more is begun anew.
        let offset = begun == nil ? 0 : Int(cursor?.offset ?? 0)
        let frames = snapshot.page(from: offset, bytes: configuration.pageBytes)
        guard mayGive(frames, to: peer, now) else { return }
        statistics.snapshotPages += 1
        let page = SnapshotPage(manifest: snapshot.signed, offset: UInt32(clamping: offset), frames: frames)
        effects.append(.send(to: peer, .snapshotPage(request: request, page: page)))
    }

    private mutating func makeSnapshot(
        _ wanted: SnapshotFilter, _ now: Moment, _ authority: inout some MeshAuthority
    ) -> Snapshot? {
        let filter = store.count <= configuration.wholeSnapshot ? .everything : wanted
        let name = filter.digest
        if let young = shelf.snapshot(for: name, now: now) { return young }
        guard let sequence = shelf.begin(now: now) else { return nil }
        let peers = peers(for: filter)
        var frames: [OpenedFrame] = []
        for peer in peers {
            guard let holdings = store.peers[peer] else { continue }
            frames.append(holdings.own)
            if let beacon = holdings.beacon { frames.append(beacon) }
            frames += holdings.announcements
        }
        let manifest = SnapshotManifest(
            epoch: own.incarnation, sequence: sequence, madeAt: now.wall, filter: name,
            count: UInt32(clamping: frames.count), peers: UInt32(clamping: peers.count),
            digest: Snapshot.digest(of: frames))
        let snapshot = Snapshot(
            manifest: manifest, signed: authority.frame(manifest).encoded, frames: frames, made: now.monotonic)
        shelf.put(snapshot, now: now)
        statistics.snapshotsMade += 1
        return snapshot
    }

    /// Which peers a snapshot holds, ascending.
    private mutating func peers(for filter: SnapshotFilter) -> [PeerID] {
        guard case .interests(let interests) = filter else { return store.order }
        var chosen: Set<PeerID> = []
        for interest in interests { chosen.formUnion(sources(of: interest)) }
        // To be neighbours of: drawn, so that not all newcomers ask the same ones.
        for _ in 0..<min(configuration.snapshotContacts, store.count) {
            if let peer = store.order.randomElement(using: &generator) { chosen.insert(peer) }
        }
        return chosen.sorted()
    }

    /// Some of those who announce what is wanted; those who have all of it are preferred.
    private mutating func sources(of interest: SnapshotInterest) -> ArraySlice<PeerID> {
        var (whole, partial): ([PeerID], [PeerID]) = ([], [])
        for peer in store.announcing {
            guard let holdings = store.peers[peer] else { continue }
            let found = holdings.announcements.compactMap { frame -> Announcement? in
                guard let announcement = frame.announcement, let source = frame.source,
                    announcement.state != .tombstone, interest.covers(announcement, of: source)
                else { return nil }
                return announcement
            }
            guard !found.isEmpty else { continue }
            if found.contains(where: \.isComplete) { whole.append(peer) } else { partial.append(peer) }
        }
        return (whole.shuffled(using: &generator) + partial.shuffled(using: &generator))
            .prefix(configuration.snapshotSources)
    }

    // MARK: Taking

    mutating func takeSnapshot(from peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        guard taking == nil else { return }
        let filter: SnapshotFilter = configuration.wantsEverything ? .everything : .interests(interests)
        taking = SnapshotTaking(
            peer: peer, filter: filter, request: 0, deadline: now.monotonic + configuration.snapshotTimeout)
        askForPage(now, &effects)
    }

    private mutating func askForPage(_ now: Moment, _ effects: inout [MeshEffect]) {
        guard var next = taking else { return }
        next.request = takeRequest()
        next.deadline = now.monotonic + configuration.snapshotTimeout
        taking = next
        effects.append(
            .send(to: next.peer, .snapshotRequest(request: next.request, filter: next.filter, cursor: next.cursor)))
    }

    /// A page is late: lost, or more than the other may give at once. Asked for again a few times; then digest exchanges must do.
    mutating func snapshotIsLate(_ now: Moment, _ effects: inout [MeshEffect]) {
        guard let late = taking else { return }
        guard late.attempts < configuration.snapshotAttempts, edges[late.peer] != nil else {
            statistics.snapshotsAbandoned += 1
            taking = nil
            // Another one that lets it in is asked anew.
            if store.count <= 2, let other = edges.keys.sorted().first(where: { $0 != late.peer && hasChannel(to: $0) })
            {
                takeSnapshot(from: other, now, &effects)
            }
            return
        }
        taking?.attempts += 1
        askForPage(now, &effects)
    }

    mutating func receivedPage(
        _ request: UInt64, _ page: SnapshotPage, from peer: PeerID, _ now: Moment,
        _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        // A page that nobody waits for any more comes late.
        guard var current = taking, current.peer == peer, current.request == request else { return }
        guard let manifest = manifest(of: page, from: peer, &authority), isExpected(manifest, for: current, by: peer)
        else { return spoiled(by: peer, now, &effects) }
        if current.manifest != manifest {
            // The one that was begun is not there any more.
            (current.manifest, current.signed) = (manifest, page.manifest)
            (current.offset, current.hash) = (0, BLAKE2b())
        }
        let (end, overflow) = current.offset.addingReportingOverflow(UInt32(clamping: page.frames.count))
        guard page.offset == current.offset, !overflow, end <= manifest.count,
            !page.frames.isEmpty || end == manifest.count
        else { return spoiled(by: peer, now, &effects) }
        for frame in page.frames { current.hash.update(opening.digest(of: frame).bytes) }
        (current.offset, current.attempts) = (end, 1)
        edges[peer]?.snapshot = current.cursor
        taking = current
        receivedFrames(page.frames, from: peer, by: .snapshot, now, &authority, &effects)
        // It may have been blocked over one of them.
        guard edges[peer] != nil else { return }
        guard end == manifest.count else { return askForPage(now, &effects) }
        guard current.hash.finish() == manifest.digest else { return spoiled(by: peer, now, &effects) }
        statistics.snapshotsTaken += 1
        taking = nil
        // What has changed meanwhile, and what was not asked for, is compared with a neighbour at once.
        nextAntiEntropy = now.monotonic
    }

    private func manifest(
        of page: SnapshotPage, from peer: PeerID, _ authority: inout some MeshAuthority
    ) -> SnapshotManifest? {
        // The very frame that was checked with the page before.
        if let known = taking?.manifest, taking?.signed == page.manifest { return known }
        guard let signed = try? SignedFrame(decoding: page.manifest), signed.purpose == .snapshot,
            signed.author == peer, let chain = peerRecord(of: peer)?.chain,
            authority.isAuthentic(signed, by: chain)
        else { return nil }
        return try? SnapshotManifest(decoding: signed.payload)
    }

    /// Whether it is for what was asked, or for everything, and not older than what this peer has given before.
    private func isExpected(_ manifest: SnapshotManifest, for taking: SnapshotTaking, by peer: PeerID) -> Bool {
        guard [taking.filter.digest, SnapshotFilter.everything.digest].contains(manifest.filter) else { return false }
        guard let last = edges[peer]?.snapshot else { return true }
        return (manifest.epoch, manifest.sequence) >= (last.epoch, last.sequence)
    }

    /// No honest peer gives such a page.
    private mutating func spoiled(by peer: PeerID, _ now: Moment, _ effects: inout [MeshEffect]) {
        statistics.snapshotsAbandoned += 1
        taking = nil
        refuse(.malformed, peer, now, &effects)
    }
}
