import Digest
import Records

/// Verified records of all peers, merged by "highest version wins", with floors that keep what ended from coming back.
struct RecordStore: Sendable {
    /// How long a floor is kept: the longest term and twice the skew, milliseconds (mesh.md, Validity).
    static let floorLife = ValidityLimits.term + 2 * ValidityLimits.skew

    struct Floor: Sendable {
        let version: Version
        /// Whether this very version is over too. A record that only expired comes back with its owner's next beacon.
        let isFinal: Bool
        /// Milliseconds since 1970.
        let keptUntil: Int64
    }

    private(set) var peers: [PeerID: PeerHoldings] = [:]
    private var floors: [RecordID: Floor] = [:]
    private var owners: [RecordID: PeerID] = [:]
    let configuration: MeshConfiguration

    init(configuration: MeshConfiguration) { self.configuration = configuration }

    enum Outcome {
        case applied
        case known
        case older
        case equivocation
        case full
    }

    var sortedPeers: [PeerID] { peers.keys.sorted() }

    /// Whether a record of this version would be taken.
    func wants(_ id: RecordID, _ version: Version) -> Bool {
        if let owner = owners[id], let held = peers[owner]?.held[id] { return held.version < version }
        return isAboveFloor(id, version)
    }

    private func isAboveFloor(_ id: RecordID, _ version: Version) -> Bool {
        guard let floor = floors[id] else { return true }
        return floor.isFinal ? floor.version < version : floor.version <= version
    }

    func frame(of id: RecordID) -> (owner: PeerID, frame: [UInt8])? {
        guard let owner = owners[id], let record = peers[owner]?.held[id] else { return nil }
        return (owner, record.frame)
    }

    /// Applies a verified peer record. A higher incarnation ends all that the same key said before.
    mutating func apply(_ record: PeerRecord, frame: SignedFrame, bytes: [UInt8]) -> Outcome {
        let peer = frame.author
        let id = RecordKeys.peer(peer)
        let held = HeldRecord(
            id: id, version: record.version, frame: bytes, frameDigest: BLAKE2b.digest(bytes),
            payloadDigest: BLAKE2b.digest(frame.payload), announcement: nil,
            validUntil: record.validity.validUntil)
        guard peers[peer] != nil || peers.count < configuration.peers else { return .full }
        let outcome = compare(held)
        guard outcome == .applied else { return outcome }
        if var holdings = peers[peer] {
            if holdings.record.version.incarnation < record.version.incarnation {
                for old in holdings.held.values { setFloor(old, of: holdings, isFinal: true) }
                for old in holdings.held.keys { owners[old] = nil }
                holdings.held.removeAll()
                holdings.beacon = nil
                holdings.renewedUntil = 0
            }
            holdings.record = record
            holdings.held[id] = held
            peers[peer] = holdings
        } else {
            var holdings = PeerHoldings(id: peer, record: record)
            holdings.held[id] = held
            peers[peer] = holdings
        }
        owners[id] = peer
        return .applied
    }

    /// Applies a verified announcement of a known peer.
    mutating func apply(_ announcement: Announcement, frame: SignedFrame, bytes: [UInt8]) -> Outcome {
        let peer = frame.author
        let id = RecordKeys.announcement(peer, announcement.identity.id, rank: announcement.rank)
        guard let holdings = peers[peer] else { return .older }
        guard holdings.record.version.incarnation == announcement.version.incarnation else { return .older }
        guard holdings.held[id] != nil || holdings.held.count < configuration.recordsPerPeer else { return .full }
        let held = HeldRecord(
            id: id, version: announcement.version, frame: bytes, frameDigest: BLAKE2b.digest(bytes),
            payloadDigest: BLAKE2b.digest(frame.payload), announcement: announcement,
            validUntil: announcement.validity.validUntil)
        let outcome = compare(held)
        guard outcome == .applied else { return outcome }
        peers[peer]?.held[id] = held
        owners[id] = peer
        return .applied
    }

    /// Takes a verified beacon. Returns whether it was newer, and whether it renewed the set that is held.
    mutating func apply(_ beacon: Beacon, frame: SignedFrame, bytes: [UInt8]) -> (isNewer: Bool, renewed: Bool) {
        guard var holdings = peers[frame.author] else { return (false, false) }
        if let known = holdings.beacon, known.version >= beacon.version { return (false, false) }
        holdings.beacon = beacon
        holdings.beaconFrame = bytes
        let renewed = holdings.renewIfSetMatches()
        peers[frame.author] = holdings
        return (true, renewed)
    }

    /// After a record was pulled the set may be the one that the latest beacon renews.
    mutating func renewIfSetMatches(_ peer: PeerID) -> Bool { peers[peer]?.renewIfSetMatches() ?? false }

    /// Removes what has ended by `wall`: announcements one by one, a peer with all that it said. Returns the peers, with
    /// what was known of them. `local` never ends here: after a pause its next beacon renews what it said.
    mutating func expire(atWall wall: Int64, besides local: PeerID) -> [(peer: PeerID, record: PeerRecord)] {
        var gone: [(PeerID, PeerRecord)] = []
        for peer in sortedPeers where peer != local {
            guard let holdings = peers[peer] else { continue }
            if max(holdings.validUntil, holdings.graceUntil) <= wall {
                remove(peer, isFinal: false)
                gone.append((peer, holdings.record))
                continue
            }
            for record in holdings.held.values
            where record.announcement != nil && holdings.validUntil(of: record) <= wall {
                setFloor(record, of: holdings, isFinal: false)
                owners[record.id] = nil
                peers[peer]?.held[record.id] = nil
            }
        }
        floors = floors.filter { $0.value.keptUntil > wall }
        return gone
    }

    /// Keeps a peer that greeted us although its record's own term is over: its beacon is on the way.
    mutating func keep(_ peer: PeerID, untilWall wall: Int64) { peers[peer]?.graceUntil = wall }

    /// Removes a peer with all that it said; `isFinal` when it left, so that nothing of that comes back.
    mutating func remove(_ peer: PeerID, isFinal: Bool) {
        guard let holdings = peers.removeValue(forKey: peer) else { return }
        for record in holdings.held.values {
            setFloor(record, of: holdings, isFinal: isFinal)
            owners[record.id] = nil
        }
    }

    /// XOR of a hash of (id, version, frame) over the records of each bucket: equal sets give equal buckets in any order.
    func bucketDigests() -> [UInt64] {
        var buckets = [UInt64](repeating: 0, count: ControlMessage.bucketCount)
        for holdings in peers.values {
            for record in holdings.held.values {
                buckets[Self.bucket(of: record.id)] ^= Self.mixed(record)
            }
        }
        return buckets
    }

    /// What is held in the given buckets, in order of ids.
    func stamps(inBuckets buckets: Set<Int>, limit: Int) -> [RecordStamp] {
        var stamps: [RecordStamp] = []
        for holdings in peers.values {
            for record in holdings.held.values where buckets.contains(Self.bucket(of: record.id)) {
                stamps.append(RecordStamp(record: record.id, version: record.version))
            }
        }
        stamps.sort { $0.record < $1.record }
        return Array(stamps.prefix(limit))
    }

    static func bucket(of id: RecordID) -> Int { Int(truncatingIfNeeded: id.digest.leadingWord >> 56) }

    private static func mixed(_ record: HeldRecord) -> UInt64 {
        var value = record.frameDigest.leadingWord
        value ^= record.id.digest.leadingWord &* 0x9E37_79B9_7F4A_7C15
        return value ^ value >> 29
    }

    private func compare(_ record: HeldRecord) -> Outcome {
        if let owner = owners[record.id], let current = peers[owner]?.held[record.id] {
            if current.version == record.version {
                // Another signature under the same payload says nothing new.
                return current.payloadDigest == record.payloadDigest ? .known : .equivocation
            }
            return current.version < record.version ? .applied : .older
        }
        return isAboveFloor(record.id, record.version) ? .applied : .older
    }

    /// Kept from the end that others may still see: a record's own, or that of the beacon which renewed it.
    private mutating func setFloor(_ record: HeldRecord, of holdings: PeerHoldings, isFinal: Bool) {
        if let floor = floors[record.id], floor.version > record.version { return }
        floors[record.id] = Floor(
            version: record.version, isFinal: isFinal,
            keptUntil: holdings.validUntil(of: record) + Self.floorLife)
    }
}
