/// What goes over a peer's local socket, one JSON object a line, and over a server's HTTP API. Names are snake_case in JSON; the
/// shapes are part of what outsiders hold: they are only added to.

/// One peer of the mesh, as the answering peer knows it.
package struct PeerView: Codable, Hashable, Sendable {
    package var peer: String
    package var name: String
    package var zone: String
    package var address: String
    package var bootstrapPort: Int
    package var roles: [String]
    /// The token that it joined with, by which it can be revoked; nil from an older version.
    package var token: String?
    /// Whether a channel to it works.
    package var isNeighbour: Bool
    package var isSelf: Bool
    package var slotsInUse: Int
    package var slots: Int
    package var bytesServed: UInt64
    package var bytesReceived: UInt64
    /// Seconds until what it says ends, unless renewed.
    package var validForSeconds: Double

    package init(
        peer: String, name: String, zone: String, address: String, bootstrapPort: Int, roles: [String],
        token: String? = nil, isNeighbour: Bool, isSelf: Bool, slotsInUse: Int, slots: Int, bytesServed: UInt64,
        bytesReceived: UInt64,
        validForSeconds: Double
    ) {
        self.peer = peer
        self.name = name
        self.zone = zone
        self.address = address
        self.bootstrapPort = bootstrapPort
        self.roles = roles
        self.token = token
        self.isNeighbour = isNeighbour
        self.isSelf = isSelf
        self.slotsInUse = slotsInUse
        self.slots = slots
        self.bytesServed = bytesServed
        self.bytesReceived = bytesReceived
        self.validForSeconds = validForSeconds
    }
}

/// One offer of one rank of a model by one peer.
package struct SourceView: Codable, Hashable, Sendable {
    package var model: String
    package var revision: String
    package var stage: String
    package var rank: Int
    package var peer: String
    package var name: String
    package var manifest: String
    /// The introduction that it shows, by which the content can be revoked; nil from an older version.
    package var introduction: String?
    package var state: String
    /// 0 to 1, in eighths.
    package var coverage: Double
    package var bytes: UInt64
    package var lanes: [String]
    package var slotsInUse: Int
    package var slots: Int

    package init(
        model: String, revision: String, stage: String, rank: Int, peer: String, name: String, manifest: String,
        introduction: String? = nil, state: String, coverage: Double, bytes: UInt64, lanes: [String], slotsInUse: Int,
        slots: Int
    ) {
        self.model = model
        self.revision = revision
        self.stage = stage
        self.rank = rank
        self.peer = peer
        self.name = name
        self.manifest = manifest
        self.introduction = introduction
        self.state = state
        self.coverage = coverage
        self.bytes = bytes
        self.lanes = lanes
        self.slotsInUse = slotsInUse
        self.slots = slots
    }
}

/// The answering process itself.
package struct StatusView: Codable, Hashable, Sendable {
    package var program: String
    package var state: String
    package var peer: String
    package var name: String
    package var cluster: String
    package var address: String
    package var bootstrapPort: Int
    package var controlPort: Int
    package var gossipPort: Int
    package var dataPort: Int
    package var neighbours: Int
    package var peers: Int
    package var slotsInUse: Int
    package var bytesServed: UInt64
    package var bytesReceived: UInt64
    /// Servers only: "connected" or why not.
    package var store: String?

    package init(
        program: String, state: String, peer: String, name: String, cluster: String, address: String,
        bootstrapPort: Int, controlPort: Int, gossipPort: Int, dataPort: Int, neighbours: Int, peers: Int,
        slotsInUse: Int, bytesServed: UInt64, bytesReceived: UInt64, store: String? = nil
    ) {
        self.program = program
        self.state = state
        self.peer = peer
        self.name = name
        self.cluster = cluster
        self.address = address
        self.bootstrapPort = bootstrapPort
        self.controlPort = controlPort
        self.gossipPort = gossipPort
        self.dataPort = dataPort
        self.neighbours = neighbours
        self.peers = peers
        self.slotsInUse = slotsInUse
        self.bytesServed = bytesServed
        self.bytesReceived = bytesReceived
        self.store = store
    }
}

/// What one source gave to a pull.
package struct PullSourceView: Codable, Hashable, Sendable {
    package var peer: String
    package var name: String
    package var lane: String
    package var bytes: UInt64
    package var chunks: Int
    package var failures: Int
    package var note: String

    package init(
        peer: String, name: String, lane: String, bytes: UInt64, chunks: Int, failures: Int, note: String
    ) {
        self.peer = peer
        self.name = name
        self.lane = lane
        self.bytes = bytes
        self.chunks = chunks
        self.failures = failures
        self.note = note
    }
}

/// How a job goes: `serve` and `pull` emit these, one JSON object a line with `--json`.
package struct JobEvent: Codable, Hashable, Sendable {
    /// `digesting`, `serving`, `searching`, `found`, `resumed`, `source`, `progress`, `complete`, `failed`.
    package var event: String
    package var model: String?
    package var revision: String?
    package var manifest: String?
    package var directory: String?
    package var bytes: UInt64?
    package var totalBytes: UInt64?
    package var chunks: Int?
    package var totalChunks: Int?
    /// Sources known when the manifest was found.
    package var sourceCount: Int?
    package var seconds: Double?
    package var gigabytesPerSecond: Double?
    package var source: PullSourceView?
    package var sources: [PullSourceView]?
    package var integrity: String?
    package var message: String?
    /// The exit code that a program ends with when this is the last event.
    package var exitCode: Int?
    /// Where a serving peer can be asked to let others in, `host:port` for --peers.
    package var bootstrap: String?

    package init(event: String) { self.event = event }
}

/// Exit codes of all programs (architecture.md).
package enum ExitCodes {
    package static let done = 0
    package static let failed = 1
    package static let usage = 2
    package static let notFound = 3
    package static let refused = 4
    package static let unreachable = 5
}

/// What is asked on the local socket.
package struct LocalRequest: Codable, Hashable, Sendable {
    /// `status`, `peers`, `sources`, `metrics`, `serve`, `pull`, `withdraw`.
    package var request: String
    /// `serve`: the folder. `pull`: the destination.
    package var path: String?
    /// `pull`, `withdraw`: the model. `serve`: its name.
    package var model: String?
    package var revision: String?
    package var lane: String?
    package var waitSeconds: Double?

    package init(request: String) { self.request = request }
}

/// One line of an answer; the last one has `isLast`.
package struct LocalAnswer: Codable, Hashable, Sendable {
    package var status: StatusView?
    package var peers: [PeerView]?
    package var sources: [SourceView]?
    package var metrics: String?
    package var job: JobEvent?
    package var error: String?
    package var exitCode: Int?
    package var isLast: Bool

    package init(isLast: Bool) { self.isLast = isLast }
}
