package import Digest
package import Records

extension CheckpointFolder {
    /// Hexadecimal digits of a revision that is made from the content.
    private static let revisionDigits = 16

    /// Digests the whole content and seals its manifest. Blocks for as long as that takes: call it on a thread that may wait,
    /// never on Swift's cooperative pool.
    ///
    /// - Parameters:
    ///   - threads: how many threads digest, the calling one included; each takes one chunk of memory.
    ///   - cache: where results are looked up and kept.
    ///   - isCancelled: asked before each chunk, on any of the threads.
    ///   - progress: bytes done and bytes in all; called on the calling thread.
    /// - Throws: `cancelled`, or what went wrong with a file, also when it changed meanwhile.
    package func digest(
        using digester: ChunkDigester, threads: Int, cache: DigestCache? = nil,
        isCancelled: @escaping @Sendable () -> Bool = { false }, progress: (UInt64, UInt64) -> Void = { _, _ in }
    ) throws(CheckpointError) -> Manifest {
        try checkUnchanged()
        let key = DigestCache.Key(self, digester: digester)
        if let digests = cache?.digests(for: key, chunkCount: layout.chunkCount, digester: digester) {
            progress(layout.totalBytes, layout.totalBytes)
            return try manifest(digests)
        }
        let scan = ChunkScan(layout: layout, digester: digester, threads: threads, isCancelled: isCancelled)
        let digests = try scan.run(chunks: Array(0..<layout.chunkCount), files: files, progress: progress)
        try checkUnchanged()
        if DigestCache.maySave(statuses) { cache?.save(digests, for: key, digester: digester) }
        return try manifest(digests)
    }

    private func manifest(_ digests: [ChunkDigests]) throws(CheckpointError) -> Manifest {
        let identity = SourceIdentity(
            model: model, revision: revision ?? contentRevision(digests), stage: .files)
        do throws(WireError) {
            return try Manifest(identity: identity, rank: 0, layout: layout, tensors: tensors, digests: digests)
        } catch { throw .content(error) }
    }

    /// From names, sizes and content, so that equal folders have equal revisions wherever they lie.
    private func contentRevision(_ digests: [ChunkDigests]) -> String {
        var table = WireWriter()
        table.write(layout.storages) {
            $0.write($1.name)
            $0.write($1.size)
        }
        table.write(digests) { $0.write($1.strong) }
        return String(SHA256.digest(table.bytes).description.prefix(Self.revisionDigits))
    }

    /// Reads one chunk into parts that are as long as it together. Blocks.
    package func read(chunk: Int, into parts: [UnsafeMutableRawBufferPointer]) throws(CheckpointError) {
        var rest = parts[...]
        var filled = 0
        for piece in layout.pieces(ofChunk: chunk) {
            var done = 0
            while done < piece.length {
                while let part = rest.first, part.count == filled {
                    rest.removeFirst()
                    filled = 0
                }
                guard let part = rest.first else { return }
                let end = min(part.count, filled + piece.length - done)
                let block = UnsafeMutableRawBufferPointer(rebasing: part[filled..<end])
                try files[piece.storage].read(into: block, at: piece.offset + UInt64(done))
                done += block.count
                filled += block.count
            }
        }
    }
}
