import Checkpoint
import Digest
import Records
import Transfer

/// Where a pull puts its content, and what becomes of it.
package enum PullPlace: Hashable, Sendable {
    /// A folder that doesn't exist yet, or is empty, or was left by a pull that was interrupted.
    case folder(String)
    /// An arena in memory, which others may read from as long as this process lives. All of its memory may be taken first.
    case memory(isPopulated: Bool)
    /// The memory of an engine.
    case engine(EngineArena)
    /// Nowhere: each chunk is verified and thrown away.
    case nowhere

    /// For people; nil when there is no folder.
    var directory: String? { if case .folder(let path) = self { path } else { nil } }

    /// Whether RDMA devices can read what was pulled.
    var isInMemory: Bool {
        switch self {
        case .memory, .engine: true
        case .folder, .nowhere: false
        }
    }

    /// Whether others can read what was pulled.
    var keepsContent: Bool { self != .nowhere }
}

/// The destination of one pull. Its methods block, but for `markVerified`.
protocol PullDestination: ChunkSink {
    /// What others may read of it; nil when nothing is kept.
    var content: (any StorageContent)? { get }
    /// Digests again what is there of an earlier pull.
    func verifiedChunks(
        using digester: ChunkDigester, threads: Int, isCancelled: @escaping @Sendable () -> Bool
    ) throws(CheckpointError) -> ChunkSet
    /// Notes that a chunk is there and verified. Any thread; never waits.
    func markVerified(_ chunk: Int)
    /// Writes down what was noted, for a later resume.
    func saveMarks()
    /// Gives the content its final name.
    func finish() throws(CheckpointError)
    /// Removes what was written.
    func abandon() throws(CheckpointError)
    /// Ends the destination, and leaves what was written to the next pull.
    func keepForResume()
}

extension FolderWriter: PullDestination {
    var content: (any StorageContent)? { self }

    func verifiedChunks(
        using digester: ChunkDigester, threads: Int, isCancelled: @escaping @Sendable () -> Bool
    ) throws(CheckpointError) -> ChunkSet {
        try verifiedChunks(using: digester, threads: threads, isCancelled: isCancelled, progress: { _, _ in })
    }
}

extension PullDestination {
    /// What an interrupted pull leaves is gone with the process, unless the destination says otherwise.
    func markVerified(_ chunk: Int) {}
    func saveMarks() {}
    func finish() throws(CheckpointError) {}
    func abandon() throws(CheckpointError) {}
    func keepForResume() {}
}
