import Digest
package import Records

/// What people and choosers should know of a peer, beside its keys.
package struct OwnPresence: Hashable, Sendable {
    package let name: String
    package let zone: String
    package let host: String

    package init(name: String, zone: String, host: String) {
        self.name = name
        self.zone = zone
        self.host = host
    }
}

/// What this peer offers or wants of one source id and rank.
package struct OwnOffer: Hashable, Sendable {
    package let identity: SourceIdentity
    package let rank: UInt32
    package let state: AnnouncementState
    package let manifest: ManifestID?
    package let introduction: IntroductionID?
    package let coverageEighths: UInt8
    package let totalBytes: UInt64
    package let lanes: [LaneKind]
    package let slots: UInt16

    package init(
        identity: SourceIdentity, rank: UInt32, state: AnnouncementState, manifest: ManifestID?,
        introduction: IntroductionID?, coverageEighths: UInt8, totalBytes: UInt64, lanes: [LaneKind], slots: UInt16
    ) {
        self.identity = identity
        self.rank = rank
        self.state = state
        self.manifest = manifest
        self.introduction = introduction
        self.coverageEighths = coverageEighths
        self.totalBytes = totalBytes
        self.lanes = lanes
        self.slots = slots
    }

    var buried: OwnOffer {
        OwnOffer(
            identity: identity, rank: rank, state: .tombstone, manifest: manifest, introduction: introduction,
            coverageEighths: 0, totalBytes: totalBytes, lanes: [], slots: 0)
    }
}

/// Hints that go into beacons.
struct OwnLoad: Hashable, Sendable {
    var slotsInUse: UInt16 = 0
    var slots: UInt16 = 0
    var bytesServed: UInt64 = 0
    var bytesReceived: UInt64 = 0
}

/// Makes this peer's records, each with the next sequence of its incarnation.
struct OwnRecords: Sendable {
    let presence: OwnPresence
    private(set) var incarnation: UInt64
    var load = OwnLoad()
    private(set) var offers: [OwnOffer] = []
    private var sequence: UInt64 = 0
    private var beaconSequence: UInt64 = 0

    init(presence: OwnPresence, incarnation: UInt64) {
        self.presence = presence
        self.incarnation = incarnation
    }

    mutating func peerRecord(
        chain: CertificateChain, endpoints: Endpoints, term: Int64, isDeparting: Bool = false, now: Moment
    ) -> PeerRecord {
        PeerRecord(
            version: nextVersion(), validity: Validity(issuedAt: now.wall, term: term), chain: chain,
            endpoints: endpoints, name: presence.name, zone: presence.zone, host: presence.host,
            isDeparting: isDeparting)
    }

    mutating func announcement(_ offer: OwnOffer, term: Int64, now: Moment) -> Announcement {
        offers.removeAll { $0.identity == offer.identity && $0.rank == offer.rank }
        if offer.state != .tombstone { offers.append(offer) }
        return Announcement(
            version: nextVersion(), validity: Validity(issuedAt: now.wall, term: term), identity: offer.identity,
            rank: offer.rank, state: offer.state, manifest: offer.manifest, introduction: offer.introduction,
            coverageEighths: offer.coverageEighths, totalBytes: offer.totalBytes, lanes: offer.lanes,
            slots: offer.slots, deviceKind: "cpu")
    }

    mutating func beacon(recordSet: Digest256, term: Int64, now: Moment) -> Beacon {
        beaconSequence += 1
        return Beacon(
            version: Version(incarnation: incarnation, sequence: beaconSequence),
            validity: Validity(issuedAt: now.wall, term: term), recordSet: recordSet, slotsInUse: load.slotsInUse,
            slots: load.slots, bytesServed: load.bytesServed, bytesReceived: load.bytesReceived)
    }

    /// From now on everything is said under a higher incarnation.
    mutating func beginAnew(now: Moment) {
        incarnation = max(incarnation + 1, UInt64(max(now.wall, 0)))
        (sequence, beaconSequence) = (0, 0)
    }

    private mutating func nextVersion() -> Version {
        sequence += 1
        return Version(incarnation: incarnation, sequence: sequence)
    }
}
