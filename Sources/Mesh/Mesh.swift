package import Records

/// Membership, gossip and anti-entropy of one peer: events in, effects out, no socket, clock or dice of its own.
///
/// Each peer publishes its own signed records and a beacon that renews them. Up to `directPeers` everybody listens to everybody
/// and nobody forwards; above, what is new is forwarded to all listeners. Sockets may drop anything at any time: every
/// guarantee rests on the digest exchange with a random neighbour each second.
package struct Mesh: Sendable {
    package let local: PeerID
    package let configuration: MeshConfiguration
    var store: RecordStore
    var edges: [PeerID: Edge] = [:]
    var own: OwnRecords
    var seen: SeenFrames
    var generator: SeededGenerator
    /// Addresses of bootstrap ports that the operator named, and when each is asked next.
    var seeds: [(address: String, nextAttempt: UInt64)] = []
    var nextRequest: UInt64 = 1
    var nextBeacon: UInt64 = 0
    var nextAntiEntropy: UInt64 = 0
    var nextPing: UInt64 = 0
    /// When new neighbours are greeted again; `max` while there are none.
    var nextGreeting: UInt64 = .max
    var lost: LostPeers
    var quarantined: [PeerID: Quarantine] = [:]
    /// When one of the lost is greeted; `max` while there are none.
    var nextLostGreeting: UInt64 = .max
    var nextExpiry: UInt64 = 0

    /// `seeds` are `host:port` of bootstrap ports. `generator` decides every random choice of this peer.
    package init(
        local: PeerID, configuration: MeshConfiguration, presence: OwnPresence, incarnation: UInt64, seeds: [String],
        generator: SeededGenerator
    ) {
        self.local = local
        self.configuration = configuration
        self.generator = generator
        store = RecordStore(configuration: configuration)
        own = OwnRecords(presence: presence, incarnation: incarnation)
        seen = SeenFrames(capacity: configuration.seenFrames)
        lost = LostPeers(capacity: configuration.lostPeers, life: configuration.lostPeerLife)
        self.seeds = seeds.map { ($0, 0) }
    }

    /// When `tick` is wanted, on the monotonic clock, nanoseconds.
    package var nextDeadline: UInt64 {
        var deadline = min(nextBeacon, nextAntiEntropy, nextPing, nextGreeting, nextLostGreeting, nextExpiry)
        for seed in seeds { deadline = min(deadline, seed.nextAttempt) }
        return deadline
    }

    package mutating func handle(
        _ event: MeshEvent, now: Moment, authority: inout some MeshAuthority
    ) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        switch event {
        case .bootstrapAnswered(let address, let answer):
            bootstrapAnswered(address, answer, now, &effects)
        case .bootstrapFailed(let address):
            postponeSeed(address, now)
        case .hello(let curveKey, let record):
            greeted(curveKey, record, now, &authority, &effects)
        case .message(let peer, let message):
            received(message, from: peer, now, &authority, &effects)
        case .gossip(let peer, let head, let frame):
            heard(frame, head, from: peer, now, &authority, &effects)
        case .restored(let frames):
            receivedFrames(frames, from: nil, now, &authority, &effects)
        case .tick:
            tick(now, &authority, &effects)
        }
        return effects
    }

    // MARK: What this peer says

    /// Publishes this peer's own record; called once at start and whenever its certificate or endpoints change.
    package mutating func present(
        chain: CertificateChain, endpoints: Endpoints, now: Moment, authority: inout some MeshAuthority
    ) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        let record = own.peerRecord(chain: chain, endpoints: endpoints, term: configuration.term, now: now)
        publish(record, now, &authority, &effects)
        nextBeacon = now.monotonic
        return effects
    }

    /// Announces one source id and rank, in place of what was announced of it before.
    package mutating func announce(
        _ offer: OwnOffer, now: Moment, authority: inout some MeshAuthority
    ) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        let announcement = own.announcement(offer, term: configuration.term, now: now)
        publish(announcement, now, &authority, &effects)
        return effects
    }

    /// Says goodbye: tombstones for all offers, a departing record, a goodbye on every edge.
    package mutating func depart(now: Moment, authority: inout some MeshAuthority) -> [MeshEffect] {
        var effects: [MeshEffect] = []
        for offer in own.offers {
            publish(own.announcement(offer.buried, term: configuration.term, now: now), now, &authority, &effects)
        }
        if let record = store.peers[local]?.record {
            let farewell = own.peerRecord(
                chain: record.chain, endpoints: record.endpoints, term: configuration.term, isDeparting: true, now: now)
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

    // MARK: What this peer knows

    /// Every record and beacon that is held, as changes, for a store that has to be filled again.
    package func everything() -> [MeshChange] {
        var changes: [MeshChange] = []
        for peer in store.sortedPeers {
            guard let holdings = store.peers[peer] else { continue }
            for id in holdings.held.keys.sorted() {
                guard let held = holdings.held[id] else { continue }
                changes.append(
                    .record(
                        id: id, owner: peer, version: held.version,
                        purpose: held.announcement == nil ? .peerRecord : .announcement,
                        validUntil: holdings.validUntil(of: held), frame: held.frame))
            }
            guard let beacon = holdings.beacon, holdings.renewedUntil > 0 else { continue }
            changes.append(
                .renewed(
                    owner: peer, validUntil: holdings.renewedUntil, version: beacon.version,
                    beacon: holdings.beaconFrame))
        }
        return changes
    }

    package var knownPeers: [PeerID] { store.sortedPeers }

    package func peerRecord(of peer: PeerID) -> PeerRecord? { store.peers[peer]?.record }

    package func beacon(of peer: PeerID) -> Beacon? { store.peers[peer]?.beacon }

    package func isNeighbour(_ peer: PeerID) -> Bool { edges[peer]?.state == .up }

    /// Whether there is an edge to the peer, be it up or not.
    package func hasEdge(to peer: PeerID) -> Bool { edges[peer] != nil }

    package var neighbourCount: Int { edges.values.count { $0.state == .up } }

    /// Milliseconds since 1970 until which the peer's own record holds.
    package func validUntil(of peer: PeerID) -> Int64? { store.peers[peer]?.validUntil }

    /// Live offers of all peers, this one's included, in order of peers: what may be chosen from at `wall`.
    package func sources(atWall wall: Int64, where include: (Announcement) -> Bool = { _ in true }) -> [OfferedSource] {
        var sources: [OfferedSource] = []
        for peer in store.sortedPeers {
            guard let holdings = store.peers[peer] else { continue }
            for id in holdings.held.keys.sorted() {
                guard let held = holdings.held[id], let announcement = held.announcement,
                    announcement.state != .tombstone, holdings.validUntil(of: held) > wall, include(announcement)
                else { continue }
                sources.append(
                    OfferedSource(
                        peer: holdings.record, peerID: peer, announcement: announcement, beacon: holdings.beacon))
            }
        }
        return sources
    }

    package var recordCount: Int { store.peers.values.reduce(0) { $0 + $1.held.count } }
}
