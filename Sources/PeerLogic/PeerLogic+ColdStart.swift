import Digest
import Mesh
package import Records
import Transfer
import Trust

/// What an engine may do while nobody has its weights. Every release of a model starts so.
package struct ColdStart: Hashable, Sendable {
    /// Whether it can load them from disk.
    package var mayLoad: Bool
    /// How many peers load from disk at once, in the whole mesh (`MX_COLD_LOADERS`): two, so that one of them may fail.
    package var loaders: Int
    /// How long to wait for those that load, nanoseconds (`MX_WAIT_FOR_SOURCE`); 0: not at all.
    package var wait: UInt64

    package init(mayLoad: Bool, loaders: Int = 2, wait: UInt64 = 600 * Duration64.second) {
        self.mayLoad = mayLoad
        self.loaders = loaders
        self.wait = wait
    }
}

/// What a peer that loads from disk has told, as one who waits sees it.
struct LoaderProgress: Hashable, Sendable {
    var bytes: UInt64
    /// When that was new, monotonic.
    var since: UInt64
}

/// An own announcement `wanting` or `loading`, for as long as no content takes its place.
struct Wish: Hashable, Sendable {
    let identity: SourceIdentity
    let rank: UInt32
    var state: AnnouncementState
    var lastAnnounced: UInt64
}

/// The peer of an engine whose weights nobody has yet: it says that it wants them and, after a moment in which the others of
/// the same release come up, those that come first by rendezvous hash load them from disk and say so. The others wait.
///
/// No vote and no leader: everybody computes the same from what everybody announced. Whoever sees less loads once too often,
/// which costs a read of the disk and nothing else.
extension PeerLogic {
    mutating func announceWish(of id: PullID, _ now: Moment, _ effects: inout [PeerEffect]) {
        guard let pull = pulls[id], let identity = pull.wanted.identity, let cold = pull.options.cold else { return }
        announce(.wanting, identity, pull.wanted.rank, bytes: 0, mayLoad: cold.mayLoad, now, &effects)
    }

    mutating func loading(
        _ identity: SourceIdentity, _ rank: UInt32, _ bytes: UInt64, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard mayIntroduce(model: identity.model) else { return }
        if let wish = wishes.first(where: { $0.identity == identity && $0.rank == rank }), wish.state == .loading,
            now.monotonic < wish.lastAnnounced + configuration.loadingPeriod
        {
            return
        }
        announce(.loading, identity, rank, bytes: bytes, mayLoad: true, now, &effects)
    }

    mutating func loadingEnded(
        _ identity: SourceIdentity, _ rank: UInt32, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard wishes.contains(where: { $0.identity == identity && $0.rank == rank }) else { return }
        announce(.tombstone, identity, rank, bytes: 0, mayLoad: false, now, &effects)
        forgetWish(identity, rank)
    }

    /// What is served now speaks for itself.
    mutating func forgetWish(_ identity: SourceIdentity, _ rank: UInt32) {
        wishes.removeAll { $0.identity == identity && $0.rank == rank }
    }

    /// A pull is over without content: whoever loads from disk now says so instead.
    mutating func endWish(
        of pull: Pull, _ failure: PullFailure, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard let identity = pull.wanted.identity, pull.options.cold != nil else { return }
        if case .coldStart = failure, pull.options.cold?.mayLoad == true, mayIntroduce(model: identity.model) {
            return announce(.loading, identity, pull.wanted.rank, bytes: 0, mayLoad: true, now, &effects)
        }
        loadingEnded(identity, pull.wanted.rank, now, &effects)
    }

    /// Until the own sockets are bound nothing is announced; a wish is told then.
    mutating func announceWishes(_ now: Moment, _ effects: inout [PeerEffect]) {
        for id in pulls.keys.sorted() { announceWish(of: id, now, &effects) }
    }

    private mutating func announce(
        _ state: AnnouncementState, _ identity: SourceIdentity, _ rank: UInt32, bytes: UInt64, mayLoad: Bool,
        _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard endpoints != nil, !isDeparting else { return }
        forgetWish(identity, rank)
        if state != .tombstone {
            wishes.append(Wish(identity: identity, rank: rank, state: state, lastAnnounced: now.monotonic))
        }
        // In these states there are no slots and no content: they tell whether its author may load, and what it has loaded.
        let own = OwnOffer(
            identity: identity, rank: rank, state: state, manifest: nil, introduction: nil, coverageEighths: 0,
            totalBytes: bytes, lanes: [], slots: mayLoad ? 1 : 0)
        take(mesh.announce(own, now: now, authority: &authority), now, &effects)
    }

    // MARK: Waiting

    func nextColdLook(of pull: Pull) -> UInt64 { pull.lastLook + configuration.coldPeriod }

    /// Decides whether to go on waiting. Somebody offers it, but is not reached yet: that is waited for as well.
    mutating func lookAround(
        _ id: PullID, _ cold: ColdStart, isOffered: Bool, _ now: Moment, _ effects: inout [PeerEffect]
    ) {
        guard var pull = pulls[id], let identity = pull.wanted.identity else { return }
        guard now.monotonic >= nextColdLook(of: pull) else { return }
        pull.lastLook = now.monotonic
        let rank = pull.wanted.rank
        let others = sources(now) { $0.identity == identity && $0.rank == rank }.filter { $0.peerID != local }
        note(others, in: &pull, now)
        pulls[id] = pull
        if let reason = reasonToLoad(pull, cold, identity, others, isOffered: isOffered, now) {
            fail(id, .coldStart(reason), now, &effects)
        }
    }

    private func note(_ others: [OfferedSource], in pull: inout Pull, _ now: Moment) {
        let loading = others.filter { $0.announcement.state == .loading }
        let known = Set(loading.map(\.peerID))
        pull.loaders = pull.loaders.filter { known.contains($0.key) }
        for loader in loading where pull.loaders[loader.peerID]?.bytes != loader.announcement.totalBytes {
            pull.loaders[loader.peerID] = LoaderProgress(
                bytes: loader.announcement.totalBytes, since: now.monotonic)
        }
    }

    private func reasonToLoad(
        _ pull: Pull, _ cold: ColdStart, _ identity: SourceIdentity, _ others: [OfferedSource], isOffered: Bool,
        _ now: Moment
    ) -> String? {
        let waited = now.monotonic - pull.started
        guard let joined = firstChannelAt else {
            guard waited >= configuration.joinTimeout else { return nil }
            return "\(PullFailure.unreachable(seeds: configuration.seeds, reason: lastBootstrapProblem))"
        }
        if waited >= max(cold.wait, configuration.coldDelay) {
            return "nobody offered it within \(waited / Duration64.second) s" + hint(identity, pull, now)
        }
        // A snapshot and the others' wishes take a moment to come.
        let isWithinReach = isOffered && waited < configuration.loaderStall
        guard !isWithinReach, now.monotonic >= max(joined, pull.started) + configuration.coldDelay else { return nil }
        let loading = pull.loaders.count { now.monotonic < $0.value.since + configuration.loaderStall }
        guard cold.mayLoad else { return nil }
        guard mayIntroduce(model: identity.model) else {
            let isHopeful = loading > 0 || others.contains { mayBecomeSource($0) }
            return isHopeful ? nil : "nobody offers it, and nobody who could loads it" + hint(identity, pull, now)
        }
        guard loading < cold.loaders else { return nil }
        let candidates = others.filter { mayBecomeSource($0) }.map(\.peerID) + [local]
        let first = Self.order(candidates, for: identity, pull.wanted.rank).prefix(cold.loaders - loading)
        return first.contains(local) ? "nobody offers it yet" + hint(identity, pull, now) : nil
    }

    private func mayBecomeSource(_ peer: OfferedSource) -> Bool {
        peer.announcement.state == .wanting && peer.announcement.slots > 0
            && TrustRules.permits(peer.peer.chain, .origin, model: peer.announcement.identity.model)
    }

    /// Rendezvous hashing: each peer's own draw for this source id and rank, lowest first. Stable under who comes and goes.
    package static func order(_ peers: [PeerID], for identity: SourceIdentity, _ rank: UInt32) -> [PeerID] {
        var writer = WireWriter()
        writer.write(identity.id)
        writer.write(rank)
        let wanted = writer.bytes
        return peers.map { (draw: BLAKE2b.digest(wanted + $0.digest.bytes), peer: $0) }
            .sorted { ($0.draw, $0.peer) < ($1.draw, $1.peer) }.map(\.peer)
    }

    /// Others offer the model in another form: whoever configured it should know.
    private func hint(_ identity: SourceIdentity, _ pull: Pull, _ now: Moment) -> String {
        if let peer = pull.distrusted.keys.sorted().first, let reason = pull.distrusted[peer] {
            return "; \(peer.short) does, but \(reason)"
        }
        let offered = sources(now) { $0.state == .live && $0.identity.model == identity.model }
            .map(\.announcement.identity).filter { $0 != identity }
        guard
            let nearest = offered.min(by: {
                $0.differences(from: identity).count < $1.differences(from: identity).count
            })
        else { return "" }
        return
            "; others offer \"\(identity.model)\" with \(nearest.differences(from: identity).joined(separator: ", "))"
    }
}
