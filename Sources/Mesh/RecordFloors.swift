import Records

/// Versions of records that have ended, so that no old frame brings one back: each kept for the longest time that anybody may
/// still show it.
struct RecordFloors: Sendable {
    /// How long after its end a floor is kept: the longest term and twice the skew, milliseconds (mesh.md, Validity).
    static let life: Int64 = ValidityLimits.term + 2 * ValidityLimits.skew

    private struct Floor {
        let owner: PeerID
        let version: Version
        /// Whether this very version is over too. A record that only expired comes back with its owner's next beacon.
        let isFinal: Bool
        /// Milliseconds since 1970.
        let keptUntil: Int64
    }

    private let capacity: Int
    private let life: Int64
    private var floors: [RecordID: Floor] = [:]
    private var counts: [PeerID: Int] = [:]
    /// No floor ends before this, milliseconds since 1970.
    private var firstEnd = Int64.max

    init(capacity: Int, life: Int64 = Self.life) {
        self.capacity = capacity
        self.life = life
    }

    var count: Int { floors.count }

    /// Whether one more record may be held: each may need a floor when it ends, and to drop one would let the dead return.
    func hasRoom(besides records: Int) -> Bool { floors.count + records < capacity }

    /// Floors of one owner's records.
    func count(of owner: PeerID) -> Int { counts[owner] ?? 0 }

    func admits(_ id: RecordID, _ version: Version) -> Bool {
        guard let floor = floors[id] else { return true }
        return floor.isFinal ? floor.version < version : floor.version <= version
    }

    /// `end` is until when others may still see the record, milliseconds since 1970.
    mutating func raise(_ id: RecordID, of owner: PeerID, to version: Version, isFinal: Bool, end: Int64) {
        let old = floors[id]
        if let old, old.version > version { return }
        if old == nil { counts[owner, default: 0] += 1 }
        floors[id] = Floor(owner: owner, version: version, isFinal: isFinal, keptUntil: end + life)
        firstEnd = min(firstEnd, end + life)
    }

    mutating func expire(atWall wall: Int64) {
        guard firstEnd <= wall else { return }
        firstEnd = .max
        for (id, floor) in floors {
            guard floor.keptUntil <= wall else {
                firstEnd = min(firstEnd, floor.keptUntil)
                continue
            }
            floors[id] = nil
            counts[floor.owner] = counts[floor.owner].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
    }
}
