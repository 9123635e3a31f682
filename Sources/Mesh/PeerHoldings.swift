import Digest
import Records

/// One verified record of a peer, with the bytes that it came in.
struct HeldRecord: Sendable {
    let id: RecordID
    let version: Version
    let frame: [UInt8]
    let frameDigest: Digest256
    let payloadDigest: Digest256
    /// Nil for the peer's own record.
    let announcement: Announcement?
    /// Milliseconds since 1970, by the record's own signature.
    let validUntil: Int64
}

/// Everything held about one peer: its record, its announcements, its latest beacon.
struct PeerHoldings: Sendable {
    let id: PeerID
    var record: PeerRecord
    var held: [RecordID: HeldRecord] = [:]
    var beacon: Beacon?
    var beaconFrame: [UInt8] = []
    /// Milliseconds since 1970 until which a beacon renewed exactly the set that is held; 0 without one.
    var renewedUntil: Int64 = 0
    /// Milliseconds since 1970 until which it is kept without renewal, since it has just greeted us; nothing that it offers
    /// is chosen.
    var graceUntil: Int64 = 0

    /// Digest of the set of records: what a beacon renews. Order of ids, so that it is the same everywhere.
    var setDigest: Digest256 {
        var hash = BLAKE2b()
        for id in held.keys.sorted() {
            guard let record = held[id] else { continue }
            hash.update(id.bytes)
            hash.update(record.version.encoded)
            hash.update(record.frameDigest.bytes)
        }
        return hash.finish()
    }

    func validUntil(of record: HeldRecord) -> Int64 { max(record.validUntil, renewedUntil) }

    /// The end of the peer itself: of its own record or its renewal.
    var validUntil: Int64 {
        let own = held.values.first { $0.announcement == nil }
        return max(own?.validUntil ?? 0, renewedUntil)
    }

    /// Takes the renewal of the latest beacon if it is for exactly this set.
    mutating func renewIfSetMatches() -> Bool {
        // The digest costs a pass over all records, so it is looked at last.
        guard let beacon, beacon.version.incarnation == record.version.incarnation,
            beacon.validity.validUntil > renewedUntil, beacon.recordSet == setDigest
        else { return false }
        renewedUntil = beacon.validity.validUntil
        return true
    }
}
