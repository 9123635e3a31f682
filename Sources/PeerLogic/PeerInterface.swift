package import Digest
package import Mesh
package import Records
package import Transfer
package import Trust

/// The secrets and the randomness of a peer. Production uses libsodium; the simulator a seed.
package protocol PeerSecrets: Sendable {
    var signer: any MessageSigner { get }
    var curveKey: CurveKey { get }
    /// 32 unpredictable bytes: lease names, session keys.
    func unpredictable() -> Digest256
}

/// Content that a peer serves whole.
package struct ServedContent: Sendable {
    package let manifest: Manifest
    package let id: ManifestID
    /// The manifest's canonical bytes, kept because they are asked for page by page.
    package let encoded: [UInt8]
    /// Whether it lies in memory, where an RDMA device can read it; else in files.
    package let isInMemory: Bool
    /// The chunks that are there: all, but for what an engine changed.
    package let have: ChunkSet
    /// Another's word that this is the content of its source id, for a peer that may not introduce it.
    package let proof: IntroductionProof?

    package init(
        manifest: Manifest, isInMemory: Bool = false, have: ChunkSet? = nil, proof: IntroductionProof? = nil
    ) {
        self.manifest = manifest
        self.isInMemory = isInMemory
        self.have = have ?? ChunkSet(chunkCount: manifest.layout.chunkCount, full: true)
        self.proof = proof
        encoded = manifest.encoded
        id = ManifestID(BLAKE2b.digest(encoded))
    }
}

package struct PullOptions: Hashable, Sendable {
    /// How long to look for a source, nanoseconds; nil: until it is clear that a joined mesh has none.
    package var wait: UInt64?
    /// The only lane to use; nil: any.
    package var lane: LaneKind?
    /// Whether others may read what was pulled: false for a destination that keeps nothing.
    package var keepsContent: Bool
    /// Whether the destination lies in memory, where an RDMA device can read it; else in files.
    package var isInMemory: Bool
    /// What an engine may do while nobody has its weights; nil: look, and fail.
    package var cold: ColdStart?

    package init(
        wait: UInt64? = nil, lane: LaneKind? = nil, keepsContent: Bool = true, isInMemory: Bool = false,
        cold: ColdStart? = nil
    ) {
        self.wait = wait
        self.lane = lane
        self.keepsContent = keepsContent
        self.isInMemory = isInMemory
        self.cold = cold
    }
}

package enum PeerEvent: Sendable {
    /// The sockets are bound; these are the endpoints that others shall use.
    case start(Endpoints)
    indirect case bootstrapAnswered(address: String, request: BootstrapRequest, answer: [UInt8])
    indirect case bootstrapFailed(address: String, reason: String)
    case hello(CurveKey, record: [UInt8])
    case message(from: PeerID, [UInt8])
    case gossip(from: PeerID, GossipHead, frame: [UInt8])
    /// The connection of a channel was lost; it may come back.
    case disconnected(PeerID)

    indirect case serve(ServedContent)
    case withdraw(ManifestID)
    /// No new readers for a while: the content may be about to change. Those that are there have `grace`, nanoseconds.
    case pause(ManifestID, grace: UInt64)
    /// As `pause`, for everything that is offered: this process is about to end, and those who read may finish.
    case drain(grace: UInt64)
    /// The content of `pause` is as it was in these chunks, and may be read again; with none it is withdrawn.
    indirect case resume(ManifestID, have: ChunkSet)
    /// How far an engine is that loads from disk what the mesh has not; announced for others who wait.
    indirect case loading(SourceIdentity, rank: UInt32, bytes: UInt64)
    /// It has ended, and either content is served, or nothing came of it.
    indirect case loadingEnded(SourceIdentity, rank: UInt32)
    indirect case pull(PullID, WantedModel, PullOptions)
    case cancel(PullID)
    /// The destination is there, with these chunks in it, verified.
    case destinationReady(PullID, have: ChunkSet)
    indirect case destinationFailed(PullID, String)
    /// Something happened on a lane of a pull.
    indirect case lane(PullID, FanInEvent)
    case sealed(PullID)
    indirect case sealFailed(PullID, String)
    case served(LeaseID, bytes: UInt64)
    /// What a `look` found.
    case looked(ManifestID, chunk: Int, isRight: Bool)
    /// Frames out of a store, see `MeshEvent.restored`.
    case restored([[UInt8]])
    /// A newer join token of the same cluster: the certificate is made anew with it at once.
    indirect case token(TokenHolder)
    /// A `RevocationNotice` out of this peer's files, verbatim. One that is known already does nothing.
    case revocation([UInt8])
    /// No new readers; tell the mesh that this peer leaves.
    case depart
    case tick
}

package enum PeerEffect: Sendable {
    /// For the mesh's sockets. `changed` is for stores and watchers.
    case mesh(MeshEffect)
    /// A reader may now read this manifest's content with this lease.
    indirect case admit(LeaseID, sessionKey: Digest256, manifest: ManifestID, window: UInt16, Closeness)
    /// The lease is over: what makes reading possible is destroyed.
    case end(LeaseID)
    /// Make a destination for the manifest's content.
    indirect case prepare(PullID, Manifest, ManifestID)
    /// Digest a chunk of served content again, and say whether it has these digests.
    indirect case look(ManifestID, chunk: Int, ChunkDigests)
    indirect case openLane(PullID, PeerID, LeaseGrant, LaneOffer, Closeness)
    case read(PullID, LeaseID, chunk: Int, into: ReadPlace)
    /// Copy a bounced chunk to where it belongs, and say so.
    case place(PullID, LeaseID, chunk: Int)
    case dropBounce(PullID, LeaseID, chunk: Int)
    case closeLane(PullID, LeaseID)
    /// The chunk may be served to others.
    case available(PullID, chunk: Int)
    /// Everything is there and verified: give it its final name.
    case seal(PullID)
    indirect case pull(PullID, PullNotice)
    /// Worth a line in the log.
    indirect case log(PeerLogEntry)
}

/// What whoever asked for a pull wants to know.
package enum PullNotice: Sendable, Equatable {
    case searching
    case found(ManifestID, SourceIdentity, totalBytes: UInt64, chunks: Int, sources: Int)
    case resumed(chunks: Int)
    case source(PeerID, name: String, LaneKind)
    case progress(bytes: UInt64, chunks: Int)
    case complete(PullReport)
    case failed(PullFailure, PullReport)
}

/// What a pull came to.
package struct PullReport: Hashable, Sendable {
    package var totalBytes: UInt64 = 0
    package var chunks = 0
    package var chunksVerified = 0
    /// Bytes read and verified by this pull, without what was there before.
    package var bytesVerified: UInt64 = 0
    package var sources: [SourceTally] = []
    /// What people call them, in the same order; empty for one that has left the mesh.
    package var names: [String] = []
    /// Sources that were known and are not among `sources`, which is bounded.
    package var untoldSources = 0

    package init() {}
}

package enum PullFailure: Hashable, Sendable {
    /// A joined mesh knows nobody who has it.
    case notFound(model: String, similar: [String])
    /// No peer was reached at all.
    case unreachable(seeds: [String], reason: String)
    /// We may not read it.
    case refused(String)
    /// Somebody offers it, and nobody's offer could be taken: another one may come.
    case notBelieved(String)
    /// Nobody has it, and this peer is among those that shall load it, or nobody can be waited for.
    case coldStart(String)
    case destination(String)
    case transfer(FanInFailure)
    case cancelled
}

extension PullFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notFound(let model, let similar):
            "nobody in the mesh offers \"\(model)\"; "
                + (similar.isEmpty ? "nothing is offered at all" : "offered: \(similar.joined(separator: ", "))")
                + ". `modelexpress sources` lists what there is, --wait SECONDS waits for it"
        case .unreachable(let seeds, let reason):
            seeds.isEmpty
                ? "no peer is known: name bootstrap ports with --peers or MX_PEERS"
                : "none of \(seeds.joined(separator: ", ")) let us in (\(reason)); is a server or peer running there?"
        case .refused(let reason), .notBelieved(let reason), .coldStart(let reason): reason
        case .destination(let reason): reason
        case .transfer(let failure): "\(failure)"
        case .cancelled: "cancelled"
        }
    }
}

package struct PeerLogEntry: Sendable, Equatable {
    package enum Level: Sendable { case debug, info, warning, error }
    package let level: Level
    package let message: String
    package let values: [(String, String)]

    package static func == (left: PeerLogEntry, right: PeerLogEntry) -> Bool {
        left.level == right.level && left.message == right.message
            && left.values.elementsEqual(right.values) { $0 == $1 }
    }
}
