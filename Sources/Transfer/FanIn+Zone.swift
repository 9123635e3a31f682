import Digest
import Records

/// Which chunks one of a zone's peers reads from outside the zone: rendezvous hashing gives each chunk an order of all who fill
/// themselves there. The first reads it, the others have it from near. No vote: everybody computes the same from what all announce.
struct ZoneShare: Sendable {
    private static let mostGroups = 1_024
    private let local: PeerID
    private(set) var members: Set<PeerID> = []
    /// By group of chunks, how many members come before us.
    private var before: [UInt32]

    init(local: PeerID, chunkCount: Int) {
        self.local = local
        before = [UInt32](repeating: 0, count: min(max(chunkCount, 1), Self.mostGroups))
    }

    /// Returns whether something changed.
    mutating func update(_ peers: [PeerID]) -> Bool {
        let now = Set(peers).subtracting([local])
        guard now != members else { return false }
        for peer in members.subtracting(now) { count(peer, isThere: false) }
        for peer in now.subtracting(members) { count(peer, isThere: true) }
        members = now
        return true
    }

    private mutating func count(_ peer: PeerID, isThere: Bool) {
        let (ours, theirs) = (Self.seed(of: local), Self.seed(of: peer))
        for group in before.indices {
            let isBefore = (Self.draw(theirs, group), peer) < (Self.draw(ours, group), local)
            if isBefore { if isThere { before[group] += 1 } else { before[group] -= 1 } }
        }
    }

    private static func seed(of peer: PeerID) -> UInt64 {
        peer.digest.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func draw(_ seed: UInt64, _ group: Int) -> UInt64 {
        var generator = SeededGenerator(seed: seed ^ (UInt64(group) &* 0x9E37_79B9_7F4A_7C15))
        return generator.next()
    }

    /// Whether we may read it from far, when so many who come before us have not.
    func isOurs(_ chunk: Int, impatience: Int) -> Bool { before[chunk % before.count] <= UInt32(clamping: impatience) }
}

/// A thin link between zones carries each chunk about once: a far source is, for us, one that has only our share of the chunks.
extension FanIn {
    /// Whether others of the zone fill themselves too, so that the chunks are shared out among us.
    var sharesZone: Bool { share.map { !$0.members.isEmpty } ?? false }

    func isRestrained(_ index: Int) -> Bool { sharesZone && sources[index].candidate.closeness == .far }

    func mayRead(_ chunk: Int, from index: Int) -> Bool {
        guard isRestrained(index), let share else { return true }
        return share.isOurs(chunk, impatience: impatience)
    }

    /// What a far relay has came over the link; with everything in the zone there is no need of it.
    func isShutOut(_ index: Int) -> Bool {
        guard isRestrained(index), !sources[index].candidate.isComplete, impatience == 0 else { return false }
        return sources.contains { $0.isAnnounced && $0.candidate.isComplete && $0.candidate.closeness < .far }
    }

    mutating func update(members: [PeerID], _ now: Moment) {
        guard share?.update(members) == true else { return }
        if !sharesZone { impatience = 0 }
        restrain()
    }

    /// Shows each far source as having what we may read of what it has.
    private mutating func restrain() {
        for index in engaged where sources[index].candidate.closeness == .far && sources[index].grant != nil {
            guard let has = sources[index].has, !sources[index].isClosing else { continue }
            guard let place = sources[index].place else {
                if sharesZone { sources[index].place = missing.takePlace(permitted(has, from: index)) }
                continue
            }
            for chunk in 0..<layout.chunkCount {
                if has.contains(chunk), mayRead(chunk, from: index) {
                    missing.add(chunk, to: place)
                } else {
                    missing.take(chunk, from: place)
                }
            }
        }
    }

    /// Of what a source has, what we may read there.
    func permitted(_ has: ChunkSet, from index: Int) -> ChunkSet {
        guard isRestrained(index) else { return has }
        var permitted = ChunkSet(chunkCount: has.chunkCount)
        for chunk in has.elements where mayRead(chunk, from: index) { permitted.insert(chunk) }
        return permitted
    }

    // MARK: Impatience

    /// When we read more from far than our share, since the others don't.
    var nextImpatience: UInt64 {
        guard sharesZone, missing.count > 0, impatience < share?.members.count ?? 0 else { return .max }
        let silent = max(lastProgress, impatientAt) + configuration.zonePatience
        return min(silent, idleFar.map { max($0.since, impatientAt) + configuration.zoneIdle } ?? .max)
    }

    /// A far source that has brought all of our share: since when, and what it brings in a second.
    private var idleFar: (since: UInt64, rate: Double)? {
        engaged.compactMap { index in sources[index].idleSince.map { ($0, sources[index].rate.perSecond) } }
            .min { $0.0 < $1.0 }
    }

    mutating func growImpatient(_ now: Moment) {
        guard sharesZone else { return }
        for index in engaged {
            let isIdle =
                isRestrained(index) && sources[index].isActive && sources[index].reads.isEmpty
                && missing.count(at: sources[index].place) == 0
            sources[index].idleSince = isIdle ? sources[index].idleSince ?? now.monotonic : nil
        }
        if let idle = idleFar {
            if idleBytes == nil { idleBytes = bytesVerified }
            impatientIfSlow(idle, now)
        } else {
            idleBytes = nil
        }
        if now.monotonic >= max(lastProgress, impatientAt) + configuration.zonePatience { beImpatient(now) }
    }

    private mutating func impatientIfSlow(_ idle: (since: UInt64, rate: Double), _ now: Moment) {
        let since = max(idle.since, impatientAt)
        guard now.monotonic >= since + configuration.zoneIdle else { return }
        let gained = Double(bytesVerified - (idleBytes ?? bytesVerified))
        let seconds = Double(now.monotonic - since) / Double(Duration64.second)
        if gained < idle.rate * seconds {
            beImpatient(now)
        } else {
            impatientAt = now.monotonic
            idleBytes = bytesVerified
        }
    }

    private mutating func beImpatient(_ now: Moment) {
        impatientAt = now.monotonic
        idleBytes = bytesVerified
        guard impatience < share?.members.count ?? 0 else { return }
        impatience += 1
        restrain()
    }
}
