import Digest
import Records

/// Everything held about one peer: its record, its announcements, its latest beacon.
struct PeerHoldings: Sendable {
    let id: PeerID
    /// Its own record.
    private(set) var own: OpenedFrame
    /// In order of record ids.
    private(set) var announcements: [OpenedFrame] = []
    private(set) var beacon: OpenedFrame?
    /// Digest of the set of records: what a beacon renews.
    private(set) var setDigest: Digest256
    /// Milliseconds since 1970 until which a beacon renewed exactly the set that is held; 0 without one.
    private(set) var renewedUntil: Int64 = 0
    /// Milliseconds since 1970 until which it is kept without renewal, since it has just greeted us; nothing that it offers
    /// is chosen.
    var graceUntil: Int64 = 0
    /// What it may still publish.
    var publishing: RateBucket

    init(own: OpenedFrame, publishing: RateBucket) {
        id = own.author
        self.own = own
        self.publishing = publishing
        setDigest = .zero
        setDigest = digestOfSet()
    }

    var count: Int { announcements.count + 1 }

    func validUntil(of record: OpenedFrame) -> Int64 { max(record.validity.validUntil, renewedUntil) }

    /// The end of the peer itself: of its own record or its renewal.
    var validUntil: Int64 { validUntil(of: own) }

    /// When the peer issued the latest thing that is known of it, milliseconds since 1970.
    var lastIssued: Int64 { max(own.validity.issuedAt, beacon?.validity.issuedAt ?? 0) }

    func record(_ id: RecordID) -> OpenedFrame? {
        if id == own.record { return own }
        let index = position(of: id)
        return index < announcements.count && announcements[index].record == id ? announcements[index] : nil
    }

    mutating func replaceOwn(_ frame: OpenedFrame) {
        own = frame
        setDigest = digestOfSet()
    }

    mutating func insert(_ announcement: OpenedFrame) {
        let index = position(of: announcement.record)
        if index < announcements.count, announcements[index].record == announcement.record {
            announcements[index] = announcement
        } else {
            announcements.insert(announcement, at: index)
        }
        setDigest = digestOfSet()
    }

    mutating func removeAnnouncement(_ id: RecordID) {
        announcements.removeAll { $0.record == id }
        setDigest = digestOfSet()
    }

    /// A higher incarnation of the same key says everything anew.
    mutating func beginAnew(_ frame: OpenedFrame) {
        announcements.removeAll()
        // One of the new incarnation came before its record.
        if let old = beacon, old.version.incarnation < frame.version.incarnation { beacon = nil }
        renewedUntil = 0
        replaceOwn(frame)
    }

    /// Takes a newer beacon.
    mutating func take(_ beacon: OpenedFrame) { self.beacon = beacon }

    /// Takes the renewal of the latest beacon if it is for exactly this set.
    mutating func renewIfSetMatches() -> Bool {
        guard let frame = beacon, let beacon = frame.beacon,
            frame.version.incarnation == own.version.incarnation, frame.validity.validUntil > renewedUntil,
            beacon.recordSet == setDigest
        else { return false }
        renewedUntil = frame.validity.validUntil
        return true
    }

    /// Where the record stands, or would.
    private func position(of id: RecordID) -> Int {
        var (low, high) = (0, announcements.count)
        while low < high {
            let middle = (low + high) / 2
            if announcements[middle].record < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// In order of ids, so that it is the same everywhere.
    private func digestOfSet() -> Digest256 {
        var hash = BLAKE2b()
        var isOwnDone = false
        func add(_ frame: OpenedFrame) {
            hash.update(frame.record.bytes)
            hash.update(frame.version.encoded)
            hash.update(frame.digest.bytes)
        }
        for announcement in announcements {
            if !isOwnDone, own.record < announcement.record {
                add(own)
                isOwnDone = true
            }
            add(announcement)
        }
        if !isOwnDone { add(own) }
        return hash.finish()
    }
}
