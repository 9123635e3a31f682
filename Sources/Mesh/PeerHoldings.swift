import Digest
import Records

/// Everything held about one peer: its record, its announcements, its latest beacon.
///
/// Never changed: what changes is made anew, so that copies of a store share what they hold alike.
final class PeerHoldings: Sendable {
    let id: PeerID
    /// Its own record.
    let own: OpenedFrame
    /// In order of record ids.
    let announcements: [OpenedFrame]
    let beacon: OpenedFrame?
    /// Digest of the set of records: what a beacon renews.
    let setDigest: Digest256
    /// Milliseconds since 1970 until which a beacon renewed exactly the set that is held; 0 without one.
    let renewedUntil: Int64
    /// Milliseconds since 1970 until which it is kept without renewal, since it has just greeted us; nothing that it offers
    /// is chosen.
    let graceUntil: Int64
    /// What it may still publish.
    let publishing: RateBucket

    convenience init(own: OpenedFrame, publishing: RateBucket) {
        self.init(
            own: own, announcements: [], setDigest: Self.digest(own, []), beacon: nil, renewedUntil: 0, graceUntil: 0,
            publishing: publishing)
    }

    private init(
        own: OpenedFrame, announcements: [OpenedFrame], setDigest: Digest256, beacon: OpenedFrame?, renewedUntil: Int64,
        graceUntil: Int64, publishing: RateBucket
    ) {
        id = own.author
        self.own = own
        self.announcements = announcements
        self.setDigest = setDigest
        self.beacon = beacon
        self.renewedUntil = renewedUntil
        self.graceUntil = graceUntil
        self.publishing = publishing
    }

    var count: Int { announcements.count + 1 }

    func validUntil(of record: OpenedFrame) -> Int64 { max(record.validity.validUntil, renewedUntil) }

    /// The end of the peer itself: of its own record or its renewal.
    var validUntil: Int64 { validUntil(of: own) }

    /// When the peer issued the latest thing that is known of it, milliseconds since 1970.
    var lastIssued: Int64 { max(own.validity.issuedAt, beacon?.validity.issuedAt ?? 0) }

    /// The first end of anything held of it, milliseconds since 1970.
    var firstEnd: Int64 {
        announcements.reduce(max(validUntil, graceUntil)) { min($0, validUntil(of: $1)) }
    }

    /// Four beacons make a term: after this, milliseconds since 1970, the second one in a row is late.
    var missedAfter: Int64 { lastIssued + (beacon ?? own).validity.term * 5 / 8 }

    func record(_ id: RecordID) -> OpenedFrame? {
        if id == own.record { return own }
        let index = position(of: id)
        return index < announcements.count && announcements[index].record == id ? announcements[index] : nil
    }

    // MARK: Changes

    func replacingOwn(_ frame: OpenedFrame) -> PeerHoldings { with(frame, announcements, beacon, renewedUntil) }

    func inserting(_ announcement: OpenedFrame) -> PeerHoldings {
        var all = announcements
        let index = position(of: announcement.record)
        if index < all.count, all[index].record == announcement.record {
            all[index] = announcement
        } else {
            all.insert(announcement, at: index)
        }
        return with(own, all, beacon, renewedUntil)
    }

    func removingAnnouncement(_ id: RecordID) -> PeerHoldings {
        with(own, announcements.filter { $0.record != id }, beacon, renewedUntil)
    }

    /// A higher incarnation of the same key says everything anew.
    func beginningAnew(_ frame: OpenedFrame) -> PeerHoldings {
        // One of the new incarnation may have come before its record.
        let isOld = beacon.map { $0.version.incarnation < frame.version.incarnation } ?? false
        return with(frame, [], isOld ? nil : beacon, 0)
    }

    /// Takes a newer beacon.
    func taking(_ beacon: OpenedFrame) -> PeerHoldings { with(beacon, renewedUntil) }

    /// Takes the renewal of the latest beacon; nil unless it is for exactly this set.
    func renewedIfSetMatches() -> PeerHoldings? {
        guard let frame = beacon, let beacon = frame.beacon,
            frame.version.incarnation == own.version.incarnation, frame.validity.validUntil > renewedUntil,
            beacon.recordSet == setDigest
        else { return nil }
        return with(frame, frame.validity.validUntil)
    }

    func kept(untilWall wall: Int64) -> PeerHoldings {
        PeerHoldings(
            own: own, announcements: announcements, setDigest: setDigest, beacon: beacon, renewedUntil: renewedUntil,
            graceUntil: wall, publishing: publishing)
    }

    func publishing(_ bucket: RateBucket) -> PeerHoldings {
        PeerHoldings(
            own: own, announcements: announcements, setDigest: setDigest, beacon: beacon, renewedUntil: renewedUntil,
            graceUntil: graceUntil, publishing: bucket)
    }

    /// The same records with another beacon and renewal.
    private func with(_ beacon: OpenedFrame, _ renewedUntil: Int64) -> PeerHoldings {
        PeerHoldings(
            own: own, announcements: announcements, setDigest: setDigest, beacon: beacon, renewedUntil: renewedUntil,
            graceUntil: graceUntil, publishing: publishing)
    }

    /// Other records.
    private func with(
        _ own: OpenedFrame, _ announcements: [OpenedFrame], _ beacon: OpenedFrame?, _ renewedUntil: Int64
    ) -> PeerHoldings {
        PeerHoldings(
            own: own, announcements: announcements, setDigest: Self.digest(own, announcements), beacon: beacon,
            renewedUntil: renewedUntil, graceUntil: graceUntil, publishing: publishing)
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

    /// Of a set of records in order of ids, so that it is the same everywhere.
    private static func digest(_ own: OpenedFrame, _ announcements: [OpenedFrame]) -> Digest256 {
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
