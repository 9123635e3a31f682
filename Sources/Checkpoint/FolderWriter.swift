import CLinux
package import Digest
import Glibc
package import Records
import Telemetry
import Transfer

/// The destination of a pull. Chunks are written to a staging folder beside the destination; when all are there and verified,
/// one rename puts the files in place, so that a destination is either absent or complete.
///
/// Its read descriptors serve what is there while more comes in; they stay valid after the rename, until the object goes. An
/// object that goes without `finish` or `abandon` leaves the staging folder, as a killed process does; the next pull of the
/// same manifest to the same destination resumes it.
package final class FolderWriter: StorageContent, ChunkSink {
    package let layout: Layout
    /// Real path of the destination.
    package let path: String
    private let manifest: Manifest
    private let id: ManifestID
    private let files: StagedFiles
    private let state: Guarded<State>

    private struct State {
        /// Nil when the writer has ended. Holds the lock of the staging folder.
        var staging: StagingFolder?
        var log: ResumeLog
        /// What an earlier pull said was there, before it is digested again.
        var unverified: ChunkSet
        var verified: ChunkSet
    }

    /// Makes or takes up the staging folder, and reserves the space of the whole content. From the first call on, this
    /// process ignores SIGXFSZ: a file size limit is then an error of one pull and not the end of the process.
    ///
    /// - Parameters:
    ///   - directory: must not exist or be empty; the folder it lies in must exist.
    ///   - id: the manifest's id, where it is known; it costs a pass over the manifest otherwise.
    /// - Throws: what is wrong with the destination or with the names in the manifest; a staging folder that was made is
    ///   removed then.
    package static func open(
        directory: String, manifest: Manifest, id: ManifestID? = nil
    ) throws(CheckpointError) -> FolderWriter {
        signal(SIGXFSZ, SIG_IGN)
        try StorageNames.check(manifest.layout.storages)
        let staging = try StagingFolder.open(for: Destination(directory))
        let id = id ?? manifest.id
        let left = try ResumeLog.chunks(in: staging.folder, manifest: id, chunkCount: manifest.layout.chunkCount)
        do throws(CheckpointError) {
            if left == nil { try staging.removeContent() }
            return try FolderWriter(manifest, id: id, staging: staging, left: left)
        } catch {
            // What an earlier pull left is worth keeping; there may be more space next time.
            if left == nil { try? staging.remove() }
            throw error
        }
    }

    private init(
        _ manifest: Manifest, id: ManifestID, staging: StagingFolder, left: ChunkSet?
    ) throws(CheckpointError) {
        let none = ChunkSet(chunkCount: manifest.layout.chunkCount)
        layout = manifest.layout
        path = staging.destination.path
        self.manifest = manifest
        self.id = id
        files = try StagedFiles.open(layout.storages, in: staging.openContent())
        try files.reserve(layout.storages, free: staging.freeBytes, at: staging.destination.parent)
        let log = try ResumeLog(in: staging.folder, manifest: id, chunks: left ?? none)
        state = Guarded(State(staging: staging, log: log, unverified: left ?? none, verified: none))
    }

    package func readDescriptor(forStorage index: Int) -> Int32 { files.reading[index].descriptor }

    /// Digests again what an earlier pull left, and gives the chunks that are as the manifest says; they count as verified.
    /// Blocks; see `CheckpointFolder.digest` for the parameters.
    package func verifiedChunks(
        using digester: ChunkDigester, threads: Int, isCancelled: @escaping @Sendable () -> Bool = { false },
        progress: (UInt64, UInt64) -> Void = { _, _ in }
    ) throws(CheckpointError) -> ChunkSet {
        let chunks = state.withLock { $0.unverified.elements }
        let scan = ChunkScan(layout: layout, digester: digester, threads: threads, isCancelled: isCancelled)
        let digests = try scan.run(chunks: chunks, files: files.reading, progress: progress)
        let matching = zip(chunks, digests).filter { manifest.digests[$0] == $1 }.map(\.0)
        return try state.withLock { (state) throws(CheckpointError) in
            guard let staging = state.staging else { throw .writerClosed(path: path) }
            for chunk in matching { state.verified.insert(chunk) }
            state.unverified = ChunkSet(chunkCount: layout.chunkCount)
            state.log = try ResumeLog(in: staging.folder, manifest: id, chunks: state.verified)
            return state.verified
        }
    }

    /// Writes the whole of one chunk. Safe on several threads for different chunks; the bytes are visible to readers of the
    /// read descriptors when it returns. Says nothing about their truth: see `markVerified`.
    package func write(chunk: Int, bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        guard chunk >= 0, chunk < layout.chunkCount, bytes.count == layout.length(ofChunk: chunk) else {
            throw .wrongChunk(chunk: chunk, bytes: bytes.count)
        }
        guard state.withLock({ $0.staging != nil }) else { throw .writerClosed(path: path) }
        for piece in layout.pieces(ofChunk: chunk) {
            let part = UnsafeRawBufferPointer(rebasing: bytes[piece.chunkOffset..<piece.chunkOffset + piece.length])
            try files.writing[piece.storage].write(part, at: piece.offset)
        }
    }

    /// Notes that a written chunk has the digests of the manifest. Any thread.
    package func markVerified(_ chunk: Int) {
        state.withLock { state in
            guard state.staging != nil, state.verified.insert(chunk) else { return }
            state.log.append(chunk)
        }
    }

    /// Saves all files and puts them in place; every chunk must be verified. Blocks until the disk has them. After an error
    /// the staging folder is still there.
    package func finish() throws(CheckpointError) {
        let (held, missing) = state.withLock { ($0.staging, $0.verified.chunkCount - $0.verified.count) }
        guard let staging = held else { throw .writerClosed(path: path) }
        guard missing == 0 else { throw .incomplete(path: path, missing: missing) }
        try files.synchronise()
        try staging.moveIntoPlace()
        state.withLock { $0.staging = nil }
    }

    /// Removes everything that was written. Does nothing after the end.
    package func abandon() throws(CheckpointError) {
        let held = state.withLock { state in
            defer { state.staging = nil }
            return state.staging
        }
        try held?.remove()
    }

    /// Ends the writer, and leaves what was written to the next pull.
    package func keepForResume() { state.withLock { $0.staging = nil } }
}
