import Arena
import Checkpoint
import Digest
import EventThread
import Records
import Telemetry

/// Passes over the memory of an arena, on the calling thread and on helpers beside it. All of it blocks.
struct ArenaDigests: Sendable {
    let arena: MemoryArena
    let digester: ChunkDigester
    let threads: Int
    let isCancelled: @Sendable () -> Bool

    /// Both digests of every chunk.
    func all() throws(CheckpointError) -> [ChunkDigests] {
        let digester = self.digester
        return try pass { parts in
            ChunkDigests(
                crc32c: parts.reduce(0) { digester.crc32c($1, $0) }, strong: digester.strongOfParts(parts))
        }
    }

    /// The chunks whose bytes have these digests still. The checksum alone tells whether an engine changed them, at ten times
    /// the speed of both digests, which tell as well whether somebody forged them.
    func unchanged(from digests: [ChunkDigests], isQuick: Bool) throws(CheckpointError) -> ChunkSet {
        var same = ChunkSet(chunkCount: digests.count)
        if isQuick {
            let digester = self.digester
            let checksums = try pass { parts in parts.reduce(0) { digester.crc32c($1, $0) } }
            for (chunk, checksum) in checksums.enumerated() where checksum == digests[chunk].crc32c {
                same.insert(chunk)
            }
        } else {
            for (chunk, found) in try all().enumerated() where found == digests[chunk] { same.insert(chunk) }
        }
        return same
    }

    private func pass<Result: Sendable>(
        _ body: @escaping @Sendable ([UnsafeRawBufferPointer]) -> Result
    ) throws(CheckpointError) -> [Result] {
        let count = arena.layout.chunkCount
        let next = Guarded(0)
        let results = Guarded([Result?](repeating: nil, count: count))
        let work: @Sendable () -> Void = { [arena, isCancelled] in
            while !isCancelled() {
                let chunk = next.withLock { next in
                    defer { next += 1 }
                    return next
                }
                guard chunk < count else { return }
                let result = body(arena.bytes(ofChunk: chunk))
                results.withLock { $0[chunk] = result }
            }
        }
        let helpers = HelperThreads(count: min(threads, count) - 1, work)
        work()
        helpers.join()
        let complete = results.withLock { $0.compactMap(\.self) }
        guard complete.count == count else { throw .cancelled }
        return complete
    }
}
