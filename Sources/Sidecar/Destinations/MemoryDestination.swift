import Arena
import Checkpoint
import Digest
import Records
import Transfer

/// A pull into memory. Lanes put bytes straight into the arena.
final class MemoryDestination: PullDestination {
    private let arena: MemoryArena

    /// An arena that somebody made: an engine.
    init(_ arena: MemoryArena) { self.arena = arena }

    /// - Parameter isPopulated: take all memory before the first byte comes.
    init(_ layout: Layout, isPopulated: Bool) throws(CheckpointError) {
        do throws(ArenaError) {
            arena = try MemoryArena(layout: layout, isPopulated: isPopulated)
        } catch {
            throw .noMemory("\(error)")
        }
    }

    var content: (any StorageContent)? { arena }
    var mapping: UnsafeMutableRawBufferPointer? { arena.mapping }

    func write(chunk: Int, bytes: UnsafeRawBufferPointer) throws { try arena.write(chunk: chunk, bytes: bytes) }

    func memory(ofChunk chunk: Int) throws -> [UnsafeMutableRawBufferPointer]? { try arena.memory(ofChunk: chunk) }

    func verifiedChunks(
        using digester: ChunkDigester, threads: Int, isCancelled: @escaping @Sendable () -> Bool
    ) -> ChunkSet {
        ChunkSet(chunkCount: arena.layout.chunkCount)
    }
}

/// A pull that keeps nothing: to see what sources and network give.
final class NoDestination: PullDestination {
    private let layout: Layout

    init(_ layout: Layout) { self.layout = layout }

    var content: (any StorageContent)? { nil }

    func write(chunk: Int, bytes: UnsafeRawBufferPointer) {}

    func verifiedChunks(
        using digester: ChunkDigester, threads: Int, isCancelled: @escaping @Sendable () -> Bool
    ) -> ChunkSet {
        ChunkSet(chunkCount: layout.chunkCount)
    }
}
