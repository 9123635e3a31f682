/// A part of a list that may be long: what matches the filter, in order, from `offset`.
package struct OverviewPage<Row: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
    package var total: Int
    package var matching: Int
    package var offset: Int
    package var rows: [Row]

    package init(total: Int, matching: Int, offset: Int, rows: [Row]) {
        self.total = total
        self.matching = matching
        self.offset = offset
        self.rows = rows
    }
}

/// One peer of the mesh.
package struct OverviewPeer: Codable, Hashable, Sendable {
    package var peer: String
    package var name: String
    package var zone: String
    package var address: String
    package var bootstrapPort: Int
    package var roles: [String]
    package var token: String
    /// What the server has to it: `self`, `neighbour`, `channel` or `none`, which is no fault: it knows it through others.
    package var link: String
    package var slotsInUse: Int
    package var slots: Int
    package var bytesServed: UInt64
    package var bytesReceived: UInt64
    /// Between its last two beacons.
    package var servingBytesPerSecond: Double
    package var receivingBytesPerSecond: Double
    /// When what it says ends, unless renewed.
    package var validUntil: Int64

    package init(
        peer: String, name: String, zone: String, address: String, bootstrapPort: Int, roles: [String], token: String,
        link: String, slotsInUse: Int, slots: Int, bytesServed: UInt64, bytesReceived: UInt64,
        servingBytesPerSecond: Double, receivingBytesPerSecond: Double, validUntil: Int64
    ) {
        self.peer = peer
        self.name = name
        self.zone = zone
        self.address = address
        self.bootstrapPort = bootstrapPort
        self.roles = roles
        self.token = token
        self.link = link
        self.slotsInUse = slotsInUse
        self.slots = slots
        self.bytesServed = bytesServed
        self.bytesReceived = bytesReceived
        self.servingBytesPerSecond = servingBytesPerSecond
        self.receivingBytesPerSecond = receivingBytesPerSecond
        self.validUntil = validUntil
    }
}

/// All sources of one content: the same model, revision, stage and variant.
package struct OverviewModel: Codable, Hashable, Sendable {
    package var model: String
    package var revision: String
    package var stage: String
    /// Data type, quantisation and parallel sizes, as far as they are told; may be empty.
    package var variant: String
    /// Ranks that are offered.
    package var ranks: Int
    /// Whole copies: complete sources of the rank that has the fewest.
    package var copies: Int
    package var sources: Int
    /// Of these: complete; with a part that grows; and that offer nothing yet.
    package var complete: Int
    package var partial: Int
    package var wanting: Int
    /// How many sources have so many eighths, from 0 to 8.
    package var coverage: [Int]
    /// Of one whole copy, all ranks.
    package var bytes: UInt64
    package var slotsInUse: Int
    package var slots: Int

    package init(
        model: String, revision: String, stage: String, variant: String, ranks: Int, copies: Int, sources: Int,
        complete: Int, partial: Int, wanting: Int, coverage: [Int], bytes: UInt64, slotsInUse: Int, slots: Int
    ) {
        self.model = model
        self.revision = revision
        self.stage = stage
        self.variant = variant
        self.ranks = ranks
        self.copies = copies
        self.sources = sources
        self.complete = complete
        self.partial = partial
        self.wanting = wanting
        self.coverage = coverage
        self.bytes = bytes
        self.slotsInUse = slotsInUse
        self.slots = slots
    }
}

/// One offer of one rank of a model by one peer.
package struct OverviewSource: Codable, Hashable, Sendable {
    package var model: String
    package var revision: String
    package var stage: String
    package var rank: Int
    package var peer: String
    package var name: String
    /// `wanting`, `loading` or `live`.
    package var state: String
    /// 0 to 8 eighths.
    package var coverageEighths: Int
    package var bytes: UInt64
    package var lanes: [String]
    /// The peer's, whatever it serves.
    package var slotsInUse: Int
    package var slots: Int
    package var manifest: String
    package var introduction: String

    package init(
        model: String, revision: String, stage: String, rank: Int, peer: String, name: String, state: String,
        coverageEighths: Int, bytes: UInt64, lanes: [String], slotsInUse: Int, slots: Int, manifest: String,
        introduction: String
    ) {
        self.model = model
        self.revision = revision
        self.stage = stage
        self.rank = rank
        self.peer = peer
        self.name = name
        self.state = state
        self.coverageEighths = coverageEighths
        self.bytes = bytes
        self.lanes = lanes
        self.slotsInUse = slotsInUse
        self.slots = slots
        self.manifest = manifest
        self.introduction = introduction
    }
}

/// Transfers as announcements tell them: who has a part of a model is filling the rest. Readers that may not relay say nothing
/// of theirs and are missing here; their bytes are in the load.
package struct OverviewTransfers: Codable, Hashable, Sendable {
    /// All that go on, and the latest of them.
    package var inFlightTotal: Int
    package var inFlight: [OverviewTransfer]
    /// All that ended since the server started, and the latest of them, latest first.
    package var endedTotal: Int
    package var ended: [OverviewTransfer]

    package init(inFlightTotal: Int, inFlight: [OverviewTransfer], endedTotal: Int, ended: [OverviewTransfer]) {
        self.inFlightTotal = inFlightTotal
        self.inFlight = inFlight
        self.endedTotal = endedTotal
        self.ended = ended
    }
}

package struct OverviewTransfer: Codable, Hashable, Sendable {
    package var peer: String
    package var name: String
    package var model: String
    package var revision: String
    package var rank: Int
    /// `wanting`, `loading`, `partial`; when it has ended: `complete`, `withdrawn` or `gone` (the peer left).
    package var state: String
    package var coverageEighths: Int
    package var bytes: UInt64
    /// What the peer receives, for this and all else, between its last two beacons.
    package var receivingBytesPerSecond: Double
    /// When it was first seen, and when it ended.
    package var began: Int64
    package var ended: Int64?

    package init(
        peer: String, name: String, model: String, revision: String, rank: Int, state: String, coverageEighths: Int,
        bytes: UInt64, receivingBytesPerSecond: Double, began: Int64, ended: Int64?
    ) {
        self.peer = peer
        self.name = name
        self.model = model
        self.revision = revision
        self.rank = rank
        self.state = state
        self.coverageEighths = coverageEighths
        self.bytes = bytes
        self.receivingBytesPerSecond = receivingBytesPerSecond
        self.began = began
        self.ended = ended
    }
}
