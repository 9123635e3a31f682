import Digest
package import Records

/// Membership, gossip and anti-entropy of one peer: events in, effects out, no socket, clock or dice of its own.
///
/// Each peer publishes its own signed records and a beacon that renews them. Up to `directPeers` everybody listens to everybody
/// and nobody forwards; above, each has a few neighbours, and what is new is forwarded to all of them but the one it came
/// from. Sockets may drop anything at any time: every guarantee rests on the digest exchange with a random neighbour each
/// second.
package struct Mesh: Sendable {
    package let local: PeerID
    package let configuration: MeshConfiguration
    let opening: any FrameOpening
    var store: RecordStore
    var edges: [PeerID: Edge] = [:]
    /// Neighbours, ascending: who gets what is published.
    package internal(set) var neighbours: [PeerID] = []
    var preset: MeshPreset
    var own: OwnRecords
    var generator: SeededGenerator
    /// Addresses of bootstrap ports that the operator named, and when each is asked next.
    var seeds: [(address: String, nextAttempt: UInt64)] = []
    var lost: LostPeers
    var quarantined: [PeerID: Quarantine] = [:]
    /// What the authority says of its revocations.
    var revocationDigest: UInt64 = 0
    /// Neighbours that sent what no honest one does, and until when they are blocked, on the monotonic clock.
    var blocked: [PeerID: UInt64] = [:]
    /// Peers that would not or could not be neighbours, and when they are asked again, on the monotonic clock.
    var asksAgain: [PeerID: UInt64] = [:]
    /// When a neighbour last compared its digests with ours, on the monotonic clock.
    package internal(set) var lastCompared: UInt64?
    /// How slow this peer finds itself: by so much it is more patient with others.
    package internal(set) var slowness = 0
    /// Until then, on the monotonic clock, nobody is taken for gone: this peer was paused, and has yet to hear what waits.
    var blamesFrom: UInt64 = 0
    package internal(set) var statistics = MeshStatistics()
    /// Beacons that wait to be forwarded together, by the digests of their frames.
    var waiting: [Digest256: WaitingBeacon] = [:]
    /// When they are; `max` while there are none.
    var nextBundle: UInt64 = .max
    var nextRequest: UInt64 = 1
    /// Snapshots for others, and the one that is being taken.
    var shelf: SnapshotShelf
    var taking: SnapshotTaking?
    /// What this peer wants to read: told with its request for a snapshot.
    var interests: [SnapshotInterest] = []
    var nextBeacon: UInt64 = 0
    var nextAntiEntropy: UInt64 = 0
    var nextPing: UInt64 = 0
    var nextView: UInt64 = 0
    var nextShuffle: UInt64 = 0
    /// When new neighbours are greeted again; `max` while there are none.
    var nextGreeting: UInt64 = .max
    /// When one of the lost is greeted; `max` while there are none.
    var nextLostGreeting: UInt64 = .max
    var nextExpiry: UInt64 = 0

    /// `seeds` are `host:port` of bootstrap ports. `generator` decides every random choice of this peer.
    package init(
        local: PeerID, configuration: MeshConfiguration, presence: OwnPresence, incarnation: UInt64, seeds: [String],
        generator: SeededGenerator, opening: any FrameOpening = PlainFrameOpening()
    ) {
        self.local = local
        self.configuration = configuration
        self.generator = generator
        self.opening = opening
        preset = configuration.presets.first ?? .ten
        store = RecordStore(configuration: configuration)
        own = OwnRecords(presence: presence, incarnation: incarnation)
        shelf = SnapshotShelf(configuration: configuration)
        lost = LostPeers(capacity: configuration.lostPeers, life: configuration.lostPeerLife)
        self.seeds = seeds.map { ($0, 0) }
    }

    /// When `tick` is wanted, on the monotonic clock, nanoseconds.
    package var nextDeadline: UInt64 {
        var deadline = min(
            nextBeacon, nextAntiEntropy, nextPing, nextView, nextShuffle, nextGreeting, nextLostGreeting, nextExpiry,
            nextBundle)
        for seed in seeds { deadline = min(deadline, seed.nextAttempt) }
        if let taking { deadline = min(deadline, taking.deadline) }
        return deadline
    }

    package mutating func handle(
        _ event: MeshEvent, now: Moment, authority: inout some MeshAuthority
    ) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        revocationDigest = authority.revocationDigest
        switch event {
        case .bootstrapAnswered(let address, let answer): bootstrapAnswered(address, answer, now, &effects)
        case .bootstrapFailed(let address): bootstrapFailed(address, now)
        case .hello(let curveKey, let record): greeted(curveKey, record, now, &authority, &effects)
        case .message(let peer, let message): received(message, from: peer, now, &authority, &effects)
        case .garbage(let peer): refuse(.malformed, peer, now, &effects)
        case .disconnected(let peer): disconnected(peer, &effects)
        case .gossip(let peer, let head, let frame): heard(frame, head, from: peer, now, &authority, &effects)
        case .restored(let frames): receivedFrames(frames, from: nil, by: .store, now, &authority, &effects)
        case .tick: tick(now, &authority, &effects)
        }
        return effects
    }

    /// Takes everything that another peer of the mesh holds for true, as if it had told it, and shares its memory. For the
    /// simulator, whose thousands of peers may begin as a mesh that has been there for long.
    package mutating func begin(knowing other: Mesh, now: Moment) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        store = other.store
        preset = configuration.presets.choose(forPeers: store.count, present: preset)
        tendView(now, &effects)
        return effects
    }

    // MARK: What this peer says

    /// Publishes this peer's own record; called once at start and whenever its certificate or endpoints change.
    package mutating func present(
        chain: CertificateChain, endpoints: Endpoints, now: Moment, authority: inout some MeshAuthority
    ) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        let record = own.peerRecord(chain: chain, endpoints: endpoints, term: preset.term, now: now)
        publish(record, now, &authority, &effects)
        nextBeacon = now.monotonic
        return effects
    }

    /// Announces one source id and rank, in place of what was announced of it before.
    package mutating func announce(
        _ offer: OwnOffer, now: Moment, authority: inout some MeshAuthority
    ) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        publish(own.announcement(offer, term: preset.term, now: now), now, &authority, &effects)
        if offer.state == .tombstone { forgetWithdrawn(now, &authority, &effects) }
        return effects
    }

    /// Withdrawn offers are told for as long as the incarnation lasts, since somebody may still show what came before. When
    /// they are many, a new incarnation ends them all at once.
    private mutating func forgetWithdrawn(
        _ now: Moment, _ authority: inout some MeshAuthority, _ effects: inout [MeshEffect]
    ) {
        guard let holdings = store.peers[local], let record = holdings.own.peerRecord,
            holdings.announcements.count - own.offers.count >= configuration.withdrawnOffers
        else { return }
        own.beginAnew(now: now)
        let anew = own.peerRecord(chain: record.chain, endpoints: record.endpoints, term: preset.term, now: now)
        publish(anew, now, &authority, &effects)
        for offer in own.offers {
            publish(own.announcement(offer, term: preset.term, now: now), now, &authority, &effects)
        }
        nextBeacon = now.monotonic
    }

    /// Says goodbye: tombstones for all offers, a departing record, a goodbye on every channel.
    package mutating func depart(now: Moment, authority: inout some MeshAuthority) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        for offer in own.offers {
            publish(own.announcement(offer.buried, term: preset.term, now: now), now, &authority, &effects)
        }
        if let record = peerRecord(of: local) {
            let farewell = own.peerRecord(
                chain: record.chain, endpoints: record.endpoints, term: preset.term, isDeparting: true, now: now)
            broadcast(authority.frame(farewell).encoded, &effects)
        }
        for peer in edges.keys.sorted() { effects.append(.send(to: peer, .goodbye)) }
        return effects
    }

    /// Hints for this peer's next beacon.
    package mutating func report(slotsInUse: Int, slots: Int, bytesServed: UInt64, bytesReceived: UInt64) {
        own.load = OwnLoad(
            slotsInUse: UInt16(clamping: slotsInUse), slots: UInt16(clamping: slots), bytesServed: bytesServed,
            bytesReceived: bytesReceived)
    }
}
