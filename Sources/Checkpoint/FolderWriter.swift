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
    /// Apart from the state, so that no disk write holds up whoever marks a chunk. Locked before the state, never after it.
    private let log: Guarded<ResumeLog>

    private struct State {
        /// Nil when the writer has ended. Holds the lock of the staging folder.
        var staging: StagingFolder?
        /// Verified chunks that the log does not name yet.
        var unsaved: [Int] = []
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

    /// Whether a pull to this folder would be refused since there is something in it. Blocks.
    package static func holdsFiles(_ directory: String) -> Bool { Destination.holdsFiles(directory) }

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
        log = Guarded(try ResumeLog(in: staging.folder, manifest: id, chunks: left ?? none))
        state = Guarded(State(staging: staging, unverified: left ?? none, verified: none))
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
        return try log.withLock { (log) throws(CheckpointError) in
            let (held, verified) = state.withLock { state in
                for chunk in matching { state.verified.insert(chunk) }
                state.unverified = ChunkSet(chunkCount: layout.chunkCount)
                state.unsaved = []
                return (state.staging, state.verified)
            }
            guard let staging = held else { throw .writerClosed(path: path) }
            log = try ResumeLog(in: staging.folder, manifest: id, chunks: verified)
            return verified
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

    /// Notes that a written chunk has the digests of the manifest. Any thread; never waits for the disk: see `saveMarks`.
    package func markVerified(_ chunk: Int) {
        state.withLock { state in
            guard state.staging != nil, state.verified.insert(chunk) else { return }
            state.unsaved.append(chunk)
        }
    }

    /// Writes down which chunks were marked since the last call, for a later resume. Blocks; any thread.
    package func saveMarks() {
        log.withLock { log in
            let marks = state.withLock { state in
                defer { state.unsaved = [] }
                return state.staging == nil ? [] : state.unsaved
            }
            if !marks.isEmpty { log.append(marks) }
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

    /// Ends the writer, and leaves what was written to the next pull. Blocks.
    package func keepForResume() {
        saveMarks()
        state.withLock { $0.staging = nil }
    }
}
