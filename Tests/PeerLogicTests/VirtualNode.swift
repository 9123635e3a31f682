import Digest
import Mesh
import PeerLogic
import Records
import Transfer
import Trust

/// One peer with what its shells would hold: channels, subscriptions, leases that may be read with, content.
struct VirtualNode {
    let index: Int
    let name: String
    let secrets: VirtualSecrets
    var logic: PeerLogic
    var isAlive = true
    /// Nothing reaches it before then; what comes waits.
    var pausedUntil: UInt64 = 0
    /// How far its wall clock is ahead, milliseconds.
    var skew: Int64 = 0
    /// Control channels that it opened.
    var channels: Set<PeerID> = []
    /// Whose hello was taken: CURVE keys whose channels into this peer are somebody's.
    var admitted: [CurveKey: PeerID] = [:]
    var subscriptions: Set<PeerID> = []
    /// What may be read with which lease.
    var leases: [LeaseID: ManifestID] = [:]
    var content: [ManifestID: ChunkSet] = [:]
    /// Chunks of its content whose bytes are no longer those of the manifest.
    var wrongChunks: Set<Int> = []
    /// What the leases that bounced chunks came by are for.
    var bounced: [LeaseID: ManifestID] = [:]
    /// Chunks that a destination finds when it is made.
    var resumes: [ManifestID: ChunkSet] = [:]
    var nicFreeAt: UInt64 = 0
    var tickAt = UInt64.max
    var notices: [PullID: [PullNotice]] = [:]
    var log: [PeerLogEntry] = []
    var changes: [MeshChange] = []

    init(index: Int, name: String, secrets: VirtualSecrets, logic: PeerLogic) {
        self.index = index
        self.name = name
        self.secrets = secrets
        self.logic = logic
    }

    var id: PeerID { logic.local }
    var address: String { "\(name):8012" }
    var endpoints: Endpoints { Endpoints(host: name, bootstrapPort: 8012, controlPort: 8013, gossipPort: 8014) }

    /// How a pull ended, nil while it goes on.
    func outcome(of pull: PullID) -> PullNotice? {
        notices[pull]?.last { notice in
            switch notice {
            case .complete, .failed: true
            default: false
            }
        }
    }

    func isComplete(_ pull: PullID) -> Bool {
        if case .complete? = outcome(of: pull) { true } else { false }
    }

    func failure(of pull: PullID) -> PullFailure? {
        if case .failed(let failure, _)? = outcome(of: pull) { failure } else { nil }
    }

    func report(of pull: PullID) -> PullReport? {
        switch outcome(of: pull) {
        case .complete(let report), .failed(_, let report): report
        default: nil
        }
    }

    /// Peers that it took for gone, in order.
    var gone: [PeerID] {
        changes.compactMap { if case .gone(let peer) = $0 { peer } else { nil } }
    }

    func hasLogged(_ message: String) -> Bool { log.contains { $0.message == message } }
}
