import Records

/// Peers whose validity ended without a goodbye, and where they were reached. A partition looks just so from either side, and
/// when it has healed nobody would know anybody on the other one: so one of them is greeted now and then.
struct LostPeers: Sendable {
    struct Entry: Sendable {
        let curveKey: CurveKey
        let endpoints: Endpoints
        /// On the monotonic clock, nanoseconds.
        let keptUntil: UInt64
    }

    private let capacity: Int
    private let life: UInt64
    private var entries: [PeerID: Entry] = [:]

    /// `life` is how long a peer is remembered, nanoseconds.
    init(capacity: Int, life: UInt64) {
        self.capacity = capacity
        self.life = life
    }

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }

    /// In a full memory it takes the place of any other, so that those of one time don't crowd out those of another.
    mutating func insert(_ record: PeerRecord, now: Moment, using generator: inout SeededGenerator) {
        let certificate = record.chain.certificate.value
        if entries.count >= capacity, entries[certificate.peer] == nil {
            guard let replaced = entries.keys.sorted().randomElement(using: &generator) else { return }
            entries[replaced] = nil
        }
        entries[certificate.peer] = Entry(
            curveKey: certificate.curveKey, endpoints: record.endpoints, keptUntil: now.monotonic + life)
    }

    mutating func remove(_ peer: PeerID) { entries[peer] = nil }

    /// One that is still remembered and fulfils the condition, at random.
    ///
    /// - Parameter include: which of them may be drawn.
    mutating func draw(
        now: Moment, using generator: inout SeededGenerator, where include: (PeerID) -> Bool
    ) -> (peer: PeerID, entry: Entry)? {
        entries = entries.filter { $0.value.keptUntil > now.monotonic }
        let peer = entries.keys.sorted().filter(include).randomElement(using: &generator)
        return peer.flatMap { peer in entries[peer].map { (peer, $0) } }
    }
}
