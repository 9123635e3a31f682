package import Mesh
package import Records
package import Transfer

/// What a peer is told at its start. Times are nanoseconds.
package struct PeerConfiguration: Sendable {
    package var mesh = MeshConfiguration()
    package var ledger = SourceLedger.Configuration()
    package var fanIn = FanInConfiguration()
    package var presence: OwnPresence
    /// `host:port` of bootstrap ports (`MX_PEERS`).
    package var seeds: [String]
    /// Lanes that this peer uses, best first, as reader and as source.
    package var lanes: [LaneKind]
    /// Where its own lanes are reached.
    package var laneOffers: [LaneOffer] = []
    /// How long a coverage that grows may stay untold (mesh.md: at most once a second).
    package var coveragePeriod: UInt64 = Duration64.second
    /// How long verified chunks may stay untold to lease holders (transfer.md: 5 ms).
    package var havePeriod: UInt64 = 5 * Duration64.millisecond
    /// How often pulls are told anew who offers what, at most.
    package var choicePeriod: UInt64 = 50 * Duration64.millisecond
    /// How often the content of a manifest is digested again since a reader disputes it, at most.
    package var lookPeriod: UInt64 = Duration64.second
    /// How long a page of a manifest may take.
    package var manifestTimeout: UInt64 = 2 * Duration64.second
    /// How often a peer may fail to send its manifest in time before a pull asks it no more.
    package var manifestSilences = 3
    /// How long a peer that no neighbour let in tries before it says so.
    package var joinTimeout: UInt64 = 5 * Duration64.second
    /// How long a joined peer looks for a model before it says that nobody has it.
    package var settle: UInt64 = 3 * Duration64.second
    /// How long an engine that finds nobody with its weights looks around before anybody loads them from disk.
    package var coldDelay: UInt64 = Duration64.second
    /// How often it looks again.
    package var coldPeriod: UInt64 = 250 * Duration64.millisecond
    /// Without progress for this long somebody who loads from disk is not waited for.
    package var loaderStall: UInt64 = 30 * Duration64.second
    /// How often the progress of loading from disk is announced, at most.
    package var loadingPeriod: UInt64 = 5 * Duration64.second
    /// Life of an introduction, milliseconds.
    package var introductionLife = ValidityLimits.introduction

    package init(presence: OwnPresence, seeds: [String], lanes: [LaneKind]) {
        self.presence = presence
        self.seeds = seeds
        self.lanes = lanes
    }
}
