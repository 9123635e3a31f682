import Arena
import Checkpoint
import Digest
import EventThread
import Records
import Telemetry
import Transfer

/// Fills an arena with the content of a folder, so that it is served from memory.
enum FolderArena {
    /// Blocks until every byte is there and has the checksum of the manifest. A difference is an error: the folder changed
    /// after it was digested.
    static func load(
        _ folder: CheckpointFolder, _ manifest: Manifest, digester: ChunkDigester,
        isCancelled: @Sendable () -> Bool, progress: (UInt64, UInt64) -> Void
    ) throws(CheckpointError) -> MemoryArena {
        let arena: MemoryArena
        do throws(ArenaError) {
            arena = try MemoryArena(layout: manifest.layout)
        } catch {
            throw .noMemory("\(error)")
        }
        var done: UInt64 = 0
        for chunk in 0..<manifest.layout.chunkCount {
            guard !isCancelled() else { throw .cancelled }
            let parts = try memory(of: arena, chunk)
            try folder.read(chunk: chunk, into: parts)
            let crc = parts.reduce(UInt32(0)) { digester.crc32c(UnsafeRawBufferPointer($1), $0) }
            guard crc == manifest.digests[chunk].crc32c else { throw .changed(file: folder.path) }
            done += UInt64(manifest.layout.length(ofChunk: chunk))
            progress(done, manifest.layout.totalBytes)
        }
        return arena
    }

    private static func memory(
        of arena: MemoryArena, _ chunk: Int
    ) throws(CheckpointError) -> [UnsafeMutableRawBufferPointer] {
        do throws(ArenaError) {
            return try arena.memory(ofChunk: chunk) ?? []
        } catch {
            throw .noMemory("\(error)")
        }
    }
}
