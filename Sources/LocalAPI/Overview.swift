/// All that a page about the mesh needs, in one answer of bounded size: `GET /api/v1/overview` at a server. Times are milliseconds
/// since 1970 by the server's clock. What peers say of their load comes from their beacons: hints, some seconds old.
package struct OverviewView: Codable, Hashable, Sendable {
    package var server: OverviewServer
    package var mesh: OverviewMesh
    package var load: OverviewLoad
    package var history: OverviewHistory
    package var peers: OverviewPage<OverviewPeer>
    package var models: OverviewPage<OverviewModel>
    package var sources: OverviewPage<OverviewSource>
    package var transfers: OverviewTransfers
    package var pool: OverviewPool

    package init(
        server: OverviewServer, mesh: OverviewMesh, load: OverviewLoad, history: OverviewHistory,
        peers: OverviewPage<OverviewPeer>, models: OverviewPage<OverviewModel>,
        sources: OverviewPage<OverviewSource>, transfers: OverviewTransfers, pool: OverviewPool
    ) {
        self.server = server
        self.mesh = mesh
        self.load = load
        self.history = history
        self.peers = peers
        self.models = models
        self.sources = sources
        self.transfers = transfers
        self.pool = pool
    }
}

/// The answering server.
package struct OverviewServer: Codable, Hashable, Sendable {
    package var name: String
    package var peer: String
    package var cluster: String
    package var version: String
    /// `ok`, `degraded`, `warming`, `draining`.
    package var state: String
    /// Sentences: why the state is not `ok`, and what else an operator should look at.
    package var reasons: [String]
    /// "connected" or why not.
    package var store: String
    /// Writes that wait for the store.
    package var storeWaiting: Int
    package var started: Int64
    /// When this was put together.
    package var time: Int64

    package init(
        name: String, peer: String, cluster: String, version: String, state: String, reasons: [String], store: String,
        storeWaiting: Int, started: Int64, time: Int64
    ) {
        self.name = name
        self.peer = peer
        self.cluster = cluster
        self.version = version
        self.state = state
        self.reasons = reasons
        self.store = store
        self.storeWaiting = storeWaiting
        self.started = started
        self.time = time
    }
}

/// The health of the mesh, as the server sees it.
package struct OverviewMesh: Codable, Hashable, Sendable {
    package var peers: Int
    /// Peers whose gossip the server hears, and peers to which a channel works.
    package var neighbours: Int
    package var channels: Int
    package var records: Int
    package var revocations: Int
    /// Peers that are proven to contradict themselves; the first of them by id.
    package var quarantined: Int
    package var quarantinedPeers: [String]
    /// How far the server's clock seems to be behind its neighbours'; nil while nothing is known.
    package var clockOffsetMilliseconds: Int64?
    /// How often peers renew what they say, and how long it holds without, at this size of mesh.
    package var beaconSeconds: Double
    package var termSeconds: Double
    /// When a neighbour last compared its records with the server's; nil before the first time.
    package var lastCompared: Int64?

    package init(
        peers: Int, neighbours: Int, channels: Int, records: Int, revocations: Int, quarantined: Int,
        quarantinedPeers: [String], clockOffsetMilliseconds: Int64?, beaconSeconds: Double, termSeconds: Double,
        lastCompared: Int64?
    ) {
        self.peers = peers
        self.neighbours = neighbours
        self.channels = channels
        self.records = records
        self.revocations = revocations
        self.quarantined = quarantined
        self.quarantinedPeers = quarantinedPeers
        self.clockOffsetMilliseconds = clockOffsetMilliseconds
        self.beaconSeconds = beaconSeconds
        self.termSeconds = termSeconds
        self.lastCompared = lastCompared
    }
}

/// What moves, all living peers together.
package struct OverviewLoad: Codable, Hashable, Sendable {
    package var receivingBytesPerSecond: Double
    package var slotsInUse: Int
    package var slots: Int
    /// Since their starts.
    package var bytesReceived: UInt64
    package var bytesServed: UInt64
    /// The zones with the most peers; `zonesTotal` counts all.
    package var zones: [OverviewZone]
    package var zonesTotal: Int

    package init(
        receivingBytesPerSecond: Double, slotsInUse: Int, slots: Int, bytesReceived: UInt64, bytesServed: UInt64,
        zones: [OverviewZone], zonesTotal: Int
    ) {
        self.receivingBytesPerSecond = receivingBytesPerSecond
        self.slotsInUse = slotsInUse
        self.slots = slots
        self.bytesReceived = bytesReceived
        self.bytesServed = bytesServed
        self.zones = zones
        self.zonesTotal = zonesTotal
    }
}

/// One zone's share.
package struct OverviewZone: Codable, Hashable, Sendable {
    package var zone: String
    package var peers: Int
    package var slotsInUse: Int
    package var slots: Int
    package var receivingBytesPerSecond: Double

    package init(zone: String, peers: Int, slotsInUse: Int, slots: Int, receivingBytesPerSecond: Double) {
        self.zone = zone
        self.peers = peers
        self.slotsInUse = slotsInUse
        self.slots = slots
        self.receivingBytesPerSecond = receivingBytesPerSecond
    }
}

/// The last minutes, oldest first, one value each `secondsBetween`; all lists are equally long.
package struct OverviewHistory: Codable, Hashable, Sendable {
    package var secondsBetween: Double
    /// When the last values were taken; nil before the first.
    package var end: Int64?
    package var receivingBytesPerSecond: [Double]
    package var peers: [Int]
    package var slotsInUse: [Int]
    package var slots: [Int]

    package init(
        secondsBetween: Double, end: Int64?, receivingBytesPerSecond: [Double], peers: [Int], slotsInUse: [Int],
        slots: [Int]
    ) {
        self.secondsBetween = secondsBetween
        self.end = end
        self.receivingBytesPerSecond = receivingBytesPerSecond
        self.peers = peers
        self.slotsInUse = slotsInUse
        self.slots = slots
    }
}

/// The pool of the public gRPC API, whose records have no place in the mesh. What isn't present has nothing else to say.
package struct OverviewPool: Codable, Hashable, Sendable {
    /// Whether this server has that API.
    package var isPresent: Bool
    package var port: Int?
    /// Whether callers must show who they are.
    package var asksCallers: Bool?
    /// Ranks of workers, of those in the two states that matter, and the models that they have.
    package var workers: Int?
    package var ready: Int?
    package var stale: Int?
    package var models: Int?
    /// Of what they published.
    package var bytes: UInt64?
    /// Whether Redis takes them.
    package var isStored: Bool?

    package init(
        isPresent: Bool, port: Int? = nil, asksCallers: Bool? = nil, workers: Int? = nil, ready: Int? = nil,
        stale: Int? = nil, models: Int? = nil, bytes: UInt64? = nil, isStored: Bool? = nil
    ) {
        self.isPresent = isPresent
        self.port = port
        self.asksCallers = asksCallers
        self.workers = workers
        self.ready = ready
        self.stale = stale
        self.models = models
        self.bytes = bytes
        self.isStored = isStored
    }
}
