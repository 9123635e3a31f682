import Digest
import Records

/// Verified records of all peers, merged by "highest version wins", with floors that keep what ended from coming back.
///
/// Everything that is asked for often is kept up to date as records come and go: the order of peers, the digests of the
/// buckets, the number of records.
struct RecordStore: Sendable {
    enum Outcome {
        case applied
        case known
        case older
        /// The same version with another payload as the frame that is held.
        case equivocation(OpenedFrame)
        case full
    }

    private(set) var peers = PeerTable()
    /// Keys of `peers`, ascending.
    private(set) var order: [PeerID] = []
    /// Those of them that announce something, ascending.
    private(set) var announcing: [PeerID] = []
    private(set) var buckets = [UInt64](repeating: 0, count: ControlMessage.bucketCount)
    private var records = RecordTable()
    private var floors: RecordFloors
    private var peersOfToken: [TokenID: Int] = [:]
    /// Nothing ends before this, and no peer is late before that, milliseconds since 1970: most looks at everything are spared.
    private var firstEnd = Int64.max
    private var firstMissed = Int64.max
    let configuration: MeshConfiguration

    init(configuration: MeshConfiguration) {
        self.configuration = configuration
        floors = RecordFloors(capacity: configuration.floors, life: configuration.floorLife)
    }

    var count: Int { order.count }
    var recordCount: Int { records.count }
    var floorCount: Int { floors.count }

    /// Whether a record of this version would be taken.
    func wants(_ id: RecordID, _ version: Version) -> Bool {
        if let held = frame(of: id) { return held.version < version }
        return floors.admits(id, version)
    }

    /// Whether the frame can change nothing, so that its signature need not be checked: it is behind what is held, or ended. The
    /// very version that is held is not: it may be a contradiction.
    func isBehind(_ frame: OpenedFrame) -> Bool {
        let isOver = frame.purpose != .beacon && !floors.admits(frame.record, frame.version)
        guard let holdings = peers[frame.author] else { return isOver }
        guard frame.version.incarnation >= holdings.own.version.incarnation else { return true }
        if frame.purpose == .beacon { return holdings.beacon.map { $0.version >= frame.version } ?? false }
        guard let held = holdings.record(frame.record) else { return isOver }
        return held.version > frame.version || held.digest == frame.digest
    }

    func frame(of id: RecordID) -> OpenedFrame? { records[id] }

    /// Peers that are held with a certificate of this token.
    func peers(of token: TokenID) -> Int { peersOfToken[token] ?? 0 }

    func owner(of id: RecordID) -> PeerID? { records[id]?.author }

    // MARK: What comes in

    /// Applies a verified record, announcement or peer's own. A higher incarnation ends all that the same key said before.
    /// `isLocal` marks this peer's own word: it never ends here, so it needs no floor, and others can't keep it out.
    mutating func apply(_ frame: OpenedFrame, isLocal: Bool = false) -> Outcome {
        let peer = frame.author
        guard let holdings = peers[peer] else { return introduce(frame) }
        if let held = holdings.record(frame.record) {
            if held.version == frame.version { return held.saysTheSame(as: frame) ? .known : .equivocation(held) }
            guard held.version < frame.version else { return .older }
        } else {
            guard floors.admits(frame.record, frame.version) else { return .older }
            guard holdings.count < configuration.recordsPerPeer, isLocal || hasRoom(for: holdings) else { return .full }
        }
        if frame.purpose == .peerRecord {
            if holdings.own.version.incarnation < frame.version.incarnation {
                // Needs no floors: announcements are taken only beside their own incarnation's record.
                for record in holdings.announcements { replace(record, by: nil) }
                replace(holdings.own, by: frame)
                put(holdings.beginningAnew(frame))
            } else {
                replace(holdings.own, by: frame)
                put(holdings.replacingOwn(frame))
            }
            count(frame, inPlaceOf: holdings.own)
        } else {
            guard holdings.own.version.incarnation == frame.version.incarnation else { return .older }
            replace(holdings.record(frame.record), by: frame)
            put(holdings.inserting(frame))
        }
        return .applied
    }

    /// Whether the peer may have one more record: each may need a floor when it ends. Its share of them is bounded, so that one
    /// that ends its own records again and again leaves others theirs.
    private func hasRoom(for holdings: PeerHoldings) -> Bool {
        floors.hasRoom(besides: recordCount)
            && floors.count(of: holdings.id) + holdings.count < 2 * configuration.recordsPerPeer
    }

    /// The first that is heard of a peer must be its own record.
    private mutating func introduce(_ frame: OpenedFrame) -> Outcome {
        guard let record = frame.peerRecord, floors.admits(frame.record, frame.version) else { return .older }
        let grant = record.chain.grant.value
        guard grant.peers == 0 || peersOfToken[record.chain.certificate.value.token, default: 0] < grant.peers else {
            return .full
        }
        guard count < configuration.peers, floors.hasRoom(besides: recordCount) else { return .full }
        let publishing = RateBucket(perSecond: configuration.authorRate, burst: configuration.authorBurst)
        put(PeerHoldings(own: frame, publishing: publishing))
        count(frame, inPlaceOf: nil)
        replace(nil, by: frame)
        return .applied
    }

    /// Takes a verified beacon. Returns whether it was newer, and whether it renewed the set that is held.
    mutating func applyBeacon(_ frame: OpenedFrame) -> (isNewer: Bool, isRenewed: Bool) {
        guard let holdings = peers[frame.author],
            frame.version.incarnation >= holdings.own.version.incarnation
        else { return (false, false) }
        if let known = holdings.beacon, known.version >= frame.version { return (false, false) }
        let taken = holdings.taking(frame)
        let renewed = taken.renewedIfSetMatches()
        put(renewed ?? taken)
        return (true, renewed != nil)
    }

    /// After a record was pulled the set may be the one that the latest beacon renews.
    mutating func renewIfSetMatches(_ peer: PeerID) -> Bool {
        guard let renewed = peers[peer]?.renewedIfSetMatches() else { return false }
        put(renewed)
        return true
    }

    /// Whether the author has published too much of late.
    func publishesTooMuch(_ peer: PeerID, now: Moment) -> Bool {
        peers[peer]?.publishing.isExhausted(now: now.monotonic) ?? false
    }

    /// Notes something new of an author, verified: nobody can use up the allowance of another.
    mutating func notePublished(_ peer: PeerID, now: Moment) {
        guard let holdings = peers[peer] else { return }
        var bucket = holdings.publishing
        guard bucket.admits(now: now.monotonic) else { return }
        put(holdings.publishing(bucket))
    }

    // MARK: What ends

    /// Removes what has ended by `wall`: announcements one by one, a peer with all that it said. Returns the records of
    /// peers that are gone. `local` never ends here: after a pause its next beacon renews what it said.
    mutating func expire(atWall wall: Int64, besides local: PeerID) -> [OpenedFrame] {
        defer { floors.expire(atWall: wall) }
        guard firstEnd <= wall else { return [] }
        firstEnd = .max
        var gone: [OpenedFrame] = []
        for peer in order where peer != local {
            guard let holdings = peers[peer] else { continue }
            guard holdings.firstEnd <= wall else {
                firstEnd = min(firstEnd, holdings.firstEnd)
                continue
            }
            if max(holdings.validUntil, holdings.graceUntil) <= wall {
                gone.append(holdings.own)
                continue
            }
            let ended = holdings.announcements.filter { holdings.validUntil(of: $0) <= wall }
            end(ended, of: holdings, isFinal: false)
            put(ended.reduce(holdings) { $0.removingAnnouncement($1.record) })
        }
        for own in gone { remove(own.author, isFinal: false) }
        return gone
    }

    /// Own records of the peers, `local` apart, of which two beacons in a row are late at `wall`.
    mutating func missed(atWall wall: Int64, besides local: PeerID) -> [RecordID] {
        guard firstMissed < wall else { return [] }
        var first = Int64.max
        var missed: [RecordID] = []
        peers.visit { holdings in
            guard holdings.id != local else { return }
            first = min(first, holdings.missedAfter)
            if holdings.missedAfter < wall { missed.append(holdings.own.record) }
        }
        firstMissed = first
        return missed
    }

    /// Keeps a peer that greeted us although its record's own term is over: its beacon is on the way.
    mutating func keep(_ peer: PeerID, untilWall wall: Int64) {
        if let kept = peers[peer]?.kept(untilWall: wall) { put(kept) }
    }

    /// Removes a peer with all that it said; `isFinal` when it left, so that nothing of that comes back.
    mutating func remove(_ peer: PeerID, isFinal: Bool) {
        guard let holdings = peers.remove(peer) else { return }
        order.remove(at: Self.position(of: peer, in: order))
        if !holdings.announcements.isEmpty { announcing.remove(at: Self.position(of: peer, in: announcing)) }
        end([holdings.own] + holdings.announcements, of: holdings, isFinal: isFinal)
        count(nil, inPlaceOf: holdings.own)
    }

    // MARK: Digests

    /// What is held in the given buckets, in their order: of as many whole buckets as `limit` stamps hold, each ascending by id.
    /// Returns those buckets as well.
    func stamps(inBuckets wanted: [UInt8], limit: Int) -> (buckets: [UInt8], stamps: [RecordStamp]) {
        var isWanted = [Bool](repeating: false, count: ControlMessage.bucketCount)
        for bucket in wanted { isWanted[Int(bucket)] = true }
        var listed: [UInt8] = []
        var stamps: [RecordStamp] = []
        for number in wanted {
            let bucket = Int(number)
            guard isWanted[bucket], stamps.count + records.count(inBucket: bucket) <= limit else { continue }
            isWanted[bucket] = false
            listed.append(number)
            stamps += records.stamps(inBucket: bucket)
        }
        return (listed, stamps)
    }

    static func bucket(of id: RecordID) -> Int { RecordTable.bucket(of: id) }

    // MARK: Bookkeeping

    /// Takes the holdings in place of those that there are, and keeps the order and the first times in step.
    private mutating func put(_ holdings: PeerHoldings) {
        let peer = holdings.id
        let before = peers[peer]
        peers.put(holdings)
        firstEnd = min(firstEnd, holdings.firstEnd)
        firstMissed = min(firstMissed, holdings.missedAfter)
        if before == nil { order.insert(peer, at: Self.position(of: peer, in: order)) }
        let wasAnnouncing = before.map { !$0.announcements.isEmpty } ?? false
        guard wasAnnouncing == holdings.announcements.isEmpty else { return }
        let index = Self.position(of: peer, in: announcing)
        if wasAnnouncing { announcing.remove(at: index) } else { announcing.insert(peer, at: index) }
    }

    private mutating func end(_ records: [OpenedFrame], of holdings: PeerHoldings, isFinal: Bool) {
        for record in records {
            // Kept from the end that others may still see: a record's own, or that of the beacon which renewed it.
            floors.raise(
                record.record, of: holdings.id, to: record.version, isFinal: isFinal,
                end: holdings.validUntil(of: record))
            replace(record, by: nil)
        }
    }

    /// Keeps owners, digests and counts in step with one record that goes and one that comes in its place.
    private mutating func replace(_ old: OpenedFrame?, by new: OpenedFrame?) {
        if let old {
            buckets[Self.bucket(of: old.record)] ^= Self.mixed(old)
            if new?.record != old.record { records.remove(old.record) }
        }
        if let new {
            buckets[Self.bucket(of: new.record)] ^= Self.mixed(new)
            records.put(new)
        }
    }

    /// Counts peers by the tokens that they were certified with; a peer may get another one.
    private mutating func count(_ new: OpenedFrame?, inPlaceOf old: OpenedFrame?) {
        if let token = old?.peerRecord?.chain.certificate.value.token {
            peersOfToken[token] = peersOfToken[token].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
        if let token = new?.peerRecord?.chain.certificate.value.token { peersOfToken[token, default: 0] += 1 }
    }

    /// A hash of (id, version, frame): XORed over a bucket, equal sets give equal digests in any order.
    private static func mixed(_ record: OpenedFrame) -> UInt64 {
        var value = record.digest.leadingWord
        value ^= record.record.digest.leadingWord &* 0x9E37_79B9_7F4A_7C15
        return value ^ value >> 29
    }

    /// Where the peer stands in an ascending list, or would.
    private static func position(of peer: PeerID, in list: [PeerID]) -> Int {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle] < peer { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
