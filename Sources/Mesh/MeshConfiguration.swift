import Records

/// The mesh's periods and bounds. Times are nanoseconds unless their name says milliseconds.
package struct MeshConfiguration: Hashable, Sendable {
    /// How often a peer renews everything that it says with one beacon (mesh.md: 2 s at up to 100 peers).
    package var beaconPeriod: UInt64 = 2 * Duration64.second
    /// How long its records hold without renewal, milliseconds: four beacons.
    package var term: Int64 = 8_000
    /// How often differences are looked for with a random neighbour.
    package var antiEntropyPeriod: UInt64 = Duration64.second
    /// How often an edge is asked whether it lives, and how many unanswered questions end it.
    package var pingPeriod: UInt64 = Duration64.second
    package var missedPings = 3
    /// How often, and how many times, a new neighbour is greeted before the pings take over: a channel that is still being
    /// opened takes no message, and a joiner shouldn't wait a whole ping for it.
    package var greetingPeriod: UInt64 = 50 * Duration64.millisecond
    package var quickGreetings = 20
    /// How often a peer in `MX_PEERS` is asked again while no neighbour is known, and afterwards.
    package var bootstrapRetry: UInt64 = Duration64.second
    package var bootstrapRefresh: UInt64 = 10 * Duration64.second
    /// How often one of the peers that ended without a goodbye is greeted, how long each is remembered, and how many are.
    package var lostGreetingPeriod: UInt64 = 2 * Duration64.second
    package var lostPeerLife: UInt64 = 600 * Duration64.second
    package var lostPeers = 64
    /// Up to this many peers (as many as there are neighbours) everybody is a neighbour of everybody, and nobody forwards.
    package var directPeers = 64
    /// Edges that a peer keeps at most.
    package var neighbours = 64
    /// Edges beyond these to peers from which somebody wants to read.
    package var reachedNeighbours = 64
    /// Records of one peer, and peers, held at most.
    package var recordsPerPeer = 1_024
    package var peers = 16_384
    /// Peers quarantined at once; each holds its proof.
    package var quarantined = 256
    /// Frames remembered as seen.
    package var seenFrames = 65_536
    /// Bytes of frames in one snapshot page or give.
    package var pageBytes = 512 * 1024
    /// How long a peer that greeted us is kept while its beacon is awaited, milliseconds.
    package var greetingGrace: Int64 = 3_000
    /// Peers whose latest beacon is asked for in one exchange, since the gossip socket dropped the last ones.
    package var exchangeRenewals = 64
    /// Records asked for or given in one exchange.
    package var exchangeRecords = 1_024

    package init() {}
}
