import Digest
import Records

/// One moment of what is held, never changed: all who ask within a second for the same get the same bytes.
struct Snapshot: Sendable {
    let manifest: SnapshotManifest
    /// The signed manifest, a frame.
    let signed: [UInt8]
    /// Whole peers in order of their ids; of each its own record first, then its latest beacon.
    let frames: [OpenedFrame]
    /// On the monotonic clock, nanoseconds.
    let made: UInt64

    /// BLAKE2b over the digests of the frames, in order: those who hold a frame know its digest already.
    static func digest(of frames: [OpenedFrame]) -> Digest256 {
        var hash = BLAKE2b()
        for frame in frames { hash.update(frame.digest.bytes) }
        return hash.finish()
    }

    /// As many frames from `offset` on as one message takes, one at least.
    func page(from offset: Int, bytes limit: Int) -> [[UInt8]] {
        var page: [[UInt8]] = []
        var bytes = 0
        for frame in frames[min(offset, frames.count)...] {
            bytes += frame.bytes.count
            guard page.isEmpty || bytes <= limit && page.count < WireLimits.framesInMessage else { break }
            page.append(frame.bytes)
        }
        return page
    }
}

/// The snapshots that were made of late, the newest last. They share their frames with the store.
struct SnapshotShelf: Sendable {
    private let capacity: Int
    private let period: UInt64
    private let life: UInt64
    private var making: RateBucket
    private(set) var snapshots: [Snapshot] = []
    private var sequence: UInt64 = 0

    init(configuration: MeshConfiguration) {
        capacity = configuration.snapshots
        period = configuration.snapshotPeriod
        life = configuration.snapshotLife
        making = RateBucket(perSecond: configuration.snapshotRate, burst: configuration.snapshotBurst)
    }

    /// The one to be gone on with, if it is still here.
    func snapshot(at cursor: SnapshotCursor) -> Snapshot? {
        snapshots.first { $0.manifest.epoch == cursor.epoch && $0.manifest.sequence == cursor.sequence }
    }

    /// One for this filter that is young enough.
    func snapshot(for filter: Digest256, now: Moment) -> Snapshot? {
        snapshots.last { $0.manifest.filter == filter && now.monotonic < $0.made + period }
    }

    /// The number of the next one, if another may be made now.
    mutating func begin(now: Moment) -> UInt64? {
        guard making.admits(now: now.monotonic) else { return nil }
        sequence += 1
        return sequence
    }

    mutating func put(_ snapshot: Snapshot, now: Moment) {
        snapshots.removeAll { $0.made + life <= now.monotonic }
        if snapshots.count >= capacity { snapshots.removeFirst(snapshots.count - capacity + 1) }
        snapshots.append(snapshot)
    }
}

/// A snapshot that is being taken, page by page, from one peer.
struct SnapshotTaking: Sendable {
    let peer: PeerID
    var filter: SnapshotFilter
    var request: UInt64
    /// When the page is late, on the monotonic clock.
    var deadline: UInt64
    /// Requests since something came.
    var attempts = 1
    /// As it was checked, and the frame that it came in.
    var manifest: SnapshotManifest?
    var signed: [UInt8] = []
    /// Frames that have come, and the digest of theirs.
    var offset: UInt32 = 0
    var hash = BLAKE2b()

    var cursor: SnapshotCursor? {
        manifest.map { SnapshotCursor(epoch: $0.epoch, sequence: $0.sequence, offset: offset) }
    }
}
