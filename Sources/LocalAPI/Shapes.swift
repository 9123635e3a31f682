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

/// One worker of an engine, as the sidecar beside it sees it.
package struct EngineView: Codable, Hashable, Sendable {
    /// Its number in the pod.
    package var worker: Int
    /// Where it is in its life: `waiting`, `loading`, `ready` and so on.
    package var phase: String
    package var vllm: String
    package var pid: Int
    package var model: String?
    package var revision: String?
    package var stage: String?
    package var rank: Int?
    /// Of the weights that it shares; nil while there are none.
    package var manifest: String?
    /// What of them is offered to others, from 0 to 1.
    package var coverage: Double

    package init(worker: Int, phase: String, vllm: String, pid: Int) {
        self.worker = worker
        self.phase = phase
        self.vllm = vllm
        self.pid = pid
        coverage = 0
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
    /// Sidecars beside an engine only: its workers.
    package var engines: [EngineView]?

    package init(
        program: String, state: String, peer: String, name: String, cluster: String, address: String,
        bootstrapPort: Int, controlPort: Int, gossipPort: Int, dataPort: Int, neighbours: Int, peers: Int,
        slotsInUse: Int, bytesServed: UInt64, bytesReceived: UInt64, store: String? = nil,
        engines: [EngineView]? = nil
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
        self.engines = engines
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
    /// Why it was asked for a lease, and why it was left or never asked; nil when there is nothing to say.
    package var chosen: String?
    package var left: String?
    /// Seconds since the pull began to read: its first lease, and the last bytes from it.
    package var engagedAfterSeconds: Double?
    package var lastActiveAfterSeconds: Double?
    /// How often it brought nothing for longer than it should have; chunks asked of it that were asked of another too, and
    /// chunks that it brought in place of another.
    package var late: Int?
    package var hedged: Int?
    package var bounced: Int?
    /// The devices, ports and addresses that its lane ran over last, each with why; nil for a lane that has no choice.
    package var paths: [String]?

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
    /// `digesting`, `loading`, `serving`, `searching`, `found`, `resumed`, `source`, `progress`, `complete`, `failed`.
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
    /// From the find to the end.
    package var seconds: Double?
    /// From when the destination was ready for bytes until the last chunk was verified.
    package var transferSeconds: Double?
    /// Over the transfer's seconds.
    package var gigabytesPerSecond: Double?
    package var source: PullSourceView?
    package var sources: [PullSourceView]?
    /// Sources that were known and are not among `sources`.
    package var sourcesUntold: Int?
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
