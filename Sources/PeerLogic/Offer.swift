import Records
import Transfer

/// Content that this peer has, whole or in part, and may serve.
struct Offer: Sendable {
    let manifest: Manifest
    let id: ManifestID
    let encoded: [UInt8]
    var proof: IntroductionProof
    /// The pull whose destination is served; nil for content that was there at the start. Another pull of the same manifest
    /// fills a destination of its own, which isn't served.
    let owner: PullID?
    var haveMap: ChunkSet
    /// What the latest announcement said; nil before the first.
    var announcedEighths: UInt8?
    var lastAnnounced: UInt64 = 0
    /// Chunks that lease holders have not been told of.
    var untold: [UInt32] = []
    var untoldSince: UInt64 = 0
}
