import Records

/// The mesh's periods and bounds. Times are nanoseconds unless their name says milliseconds.
package struct MeshConfiguration: Hashable, Sendable {
    /// What changes with the size of the mesh, ascending.
    package var presets = MeshPreset.all
    /// How often differences are looked for with a random neighbour, and how soon with the same one again.
    package var antiEntropyPeriod: UInt64 = Duration64.second
    package var exchangeGap: UInt64 = 200 * Duration64.millisecond
    /// How soon the same neighbour is told again what it needs to judge others.
    package var trustGap: UInt64 = 10 * Duration64.second
    /// How often an edge is asked whether it lives, and how many unanswered questions end it.
    package var pingPeriod: UInt64 = Duration64.second
    package var missedPings = 3
    /// Pings without an answer after which a channel is given up.
    package var abandonedPings = 15
    /// By how much a peer that finds itself slow multiplies its patience with others (Lifeguard, arXiv 1707.00788: 8).
    package var patience = 8
    /// How soon again, then how often, and how many times, a new neighbour is greeted before the pings take over: a channel that is still being
    /// opened takes no message, and a joiner shouldn't wait a whole ping for it.
    package var firstGreeting: UInt64 = 5 * Duration64.millisecond
    package var greetingPeriod: UInt64 = 50 * Duration64.millisecond
    package var quickGreetings = 20
    /// How often a peer in `MX_PEERS` is asked again while too few neighbours are known.
    package var bootstrapRetry: UInt64 = Duration64.second
    /// How often one of the peers that ended without a goodbye is greeted, how long each is remembered, and how many are.
    package var lostGreetingPeriod: UInt64 = 2 * Duration64.second
    package var lostPeerLife: UInt64 = 600 * Duration64.second
    package var lostPeers = 64
    /// Up to this many peers everybody is a neighbour of everybody, and nobody forwards.
    package var directPeers = 32
    /// Neighbours that a peer has at most, whatever the preset says.
    package var neighbours = 64
    /// How long an answer to "be my neighbour" is waited for, how many are asked at once, and when one that refused is asked again.
    package var askTimeout: UInt64 = 2 * Duration64.second
    package var asksAtOnce = 8
    package var askAgain: UInt64 = 5 * Duration64.second
    /// How often the view is looked after beside the events that change it.
    package var viewPeriod: UInt64 = 500 * Duration64.millisecond
    /// Channels that a peer has at most, and how long one is kept that nobody uses.
    package var channels = 1_024
    /// Of these, those at most that others may open: the rest is for channels that this peer wants.
    package var inboundChannels: Int { channels * 3 / 4 }
    package var idleChannel: UInt64 = 30 * Duration64.second
    /// Refused frames of the kinds that no honest neighbour passes on, after which it is blocked, and for how long.
    package var strikes = 3
    package var blockTime: UInt64 = 60 * Duration64.second
    package var blocked = 1_024
    /// New records that one author may send by gossip, a second and at once; what is more comes by anti-entropy.
    package var authorRate: UInt64 = 4
    package var authorBurst: UInt64 = 128
    /// Bytes of records that one neighbour is given by exchanges and snapshots, a second and at once.
    package var giveRate: UInt64 = 8 * 1024 * 1024
    package var giveBurst: UInt64 = 32 * 1024 * 1024
    /// Questions of one neighbour that are answered, a second and at once: each costs a look at everything that is held.
    package var questionRate: UInt64 = 20
    package var questionBurst: UInt64 = 100
    /// Chains that one neighbour brings and nobody should believe, a second and at once: each costs two signatures, and no more of
    /// its chains are looked at afterwards. It may be honest, when clocks differ.
    package var doubtRate: UInt64 = 1
    package var doubtBurst: UInt64 = 64
    /// Records of one peer, and peers, held at most.
    package var recordsPerPeer = 1_024
    package var peers = 16_384
    /// Withdrawn offers that a peer goes on naming, at most.
    package var withdrawnOffers: Int { recordsPerPeer / 4 }
    /// Versions of ended records that are kept from coming back, at most; a record that would need one more is refused.
    package var floors = 131_072
    /// How long after a record's end its floor is kept, milliseconds; no operator can set it.
    package var floorLife = RecordFloors.life
    /// Peers quarantined at once; each holds its proof.
    package var quarantined = 256
    /// Bytes of frames in one snapshot page or give.
    package var pageBytes = 512 * 1024
    /// What a joiner asks of the first peer that lets it in; interests are added as they come up.
    package var wantsEverything = false
    /// Up to this many peers a snapshot holds all of them, whatever was asked for. In a larger mesh, peers taken for each interest, and
    /// those taken beside them to be neighbours of.
    package var wholeSnapshot = 64
    package var snapshotSources = 32
    package var snapshotContacts = 32
    /// For how long the same snapshot is given to all who ask for the same, and how long it is kept for those who go on with it.
    package var snapshotPeriod: UInt64 = Duration64.second
    package var snapshotLife: UInt64 = 30 * Duration64.second
    /// Snapshots kept at once; made a second and at once: each costs a look at everything that is held.
    package var snapshots = 16
    package var snapshotRate: UInt64 = 8
    package var snapshotBurst: UInt64 = 32
    /// How long a page is waited for, and how often one is asked for again before digest exchanges must do.
    package var snapshotTimeout: UInt64 = 2 * Duration64.second
    package var snapshotAttempts = 4
    /// How long a peer that greeted us is kept while its beacon is awaited, milliseconds.
    package var greetingGrace: Int64 = 3_000
    /// Peers whose latest beacon is asked for in one exchange, since the gossip socket dropped the last ones.
    package var exchangeRenewals = 256
    /// Records asked for or given in one exchange.
    package var exchangeRecords = 1_024
    /// Records shown in one exchange since they may contradict what the neighbour holds under the same version.
    package var doubtfulRecords = 8

    package init() {}

    /// The shortest term of all presets, milliseconds.
    package var shortestTerm: Int64 { presets.map(\.term).min() ?? ValidityLimits.term }
}
