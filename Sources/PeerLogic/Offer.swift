import Records
import Transfer

/// Content that this peer has, whole or in part, and may serve.
struct Offer: Sendable {
    let manifest: Manifest
    let id: ManifestID
    let encoded: [UInt8]
    private(set) var proof: IntroductionProof
    /// Its introduction was revoked: it is neither offered nor served until it has another.
    private(set) var isSuspended = false
    /// The pull whose destination is served; nil for content that was there at the start. Another pull of the same manifest
    /// fills a destination of its own, which isn't served.
    let owner: PullID?
    /// Whether it lies in memory; RDMA devices can't read files.
    let isInMemory: Bool
    var haveMap: ChunkSet
    /// What the latest announcement said; nil before the first.
    var announcedEighths: UInt8?
    var lastAnnounced: UInt64 = 0
    /// Chunks that lease holders have not been told of.
    var untold: [UInt32] = []
    var untoldSince: UInt64 = 0
    /// Set while nobody new may read, and then until when those may that do; monotonic, nanoseconds.
    var pausedUntil: UInt64?

    init(
        manifest: Manifest, id: ManifestID, encoded: [UInt8], proof: IntroductionProof, owner: PullID?,
        isInMemory: Bool, haveMap: ChunkSet
    ) {
        self.manifest = manifest
        self.id = id
        self.encoded = encoded
        self.proof = proof
        self.owner = owner
        self.isInMemory = isInMemory
        self.haveMap = haveMap
    }

    /// Takes another introduction of the same manifest. It is announced again, since every announcement names its introduction.
    mutating func introduce(by proof: IntroductionProof) {
        self.proof = proof
        isSuspended = false
        announcedEighths = nil
    }

    mutating func suspend() {
        isSuspended = true
        announcedEighths = nil
    }
}
