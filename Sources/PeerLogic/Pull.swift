import Records
import Transfer

/// One wish for a model, from its search to its seal.
struct Pull: Sendable {
    enum Phase: Sendable {
        /// Looking for somebody who announces it. Goes to `fetching`, or the pull fails.
        case searching
        /// Asking a peer for the manifest, page by page. Goes to `preparing`, or back to `searching` without that peer.
        case fetching(from: PeerID, request: UInt64, ManifestAssembly, deadline: UInt64)
        /// The shell makes the destination. Goes to `reading`.
        case preparing(ManifestID)
        /// Goes to `sealing`.
        case reading(ManifestID, FanIn)
        /// The shell gives the content its final name. Ends the pull.
        case sealing(ManifestID)
    }

    let id: PullID
    let wanted: WantedModel
    let options: PullOptions
    let started: UInt64
    /// Its requests to sources are numbered from here, apart from those of other pulls.
    let firstRequest: UInt64
    var phase: Phase = .searching
    /// Known once the manifest was taken.
    var layout: Layout?
    /// Peers whose manifest could not be had or believed, and why.
    var distrusted: [PeerID: String] = [:]
    /// How often a peer did not send its manifest in time; it may only have been busy.
    var silences: [PeerID: Int] = [:]
    var report = PullReport()
    /// What those who load from disk have told of their progress.
    var loaders: [PeerID: LoaderProgress] = [:]
    /// When it was last considered to load from disk.
    var lastLook: UInt64 = 0
    /// What sources of shared memory were told that we read.
    var toldBytes: [PeerID: UInt64] = [:]

    var manifest: ManifestID? {
        switch phase {
        case .searching: nil
        case .fetching(_, _, let assembly, _): assembly.manifest
        case .preparing(let id), .reading(let id, _), .sealing(let id): id
        }
    }
}
