import CLinux
import Digest
import EventThread
import Glibc
import Records
import Telemetry

/// Reads chunks and digests them, on the calling thread and on threads of its own beside it. Takes one chunk of memory for
/// each thread.
struct ChunkScan: Sendable {
    /// Most threads that one scan takes.
    static let threadLimit = 64

    let layout: Layout
    let digester: ChunkDigester
    /// At least one; the calling thread is one of them.
    let threads: Int
    let isCancelled: @Sendable () -> Bool

    private struct State {
        var next = 0
        var results: [ChunkDigests?]
        var bytesDone: UInt64 = 0
        var failure: CheckpointError?
    }

    /// Blocks until every chunk of `chunks` is digested, and gives the digests in that order.
    ///
    /// - Parameters:
    ///   - files: one for each storage of the layout.
    ///   - progress: bytes done and bytes in all; called on the calling thread.
    func run(
        chunks: [Int], files: [OpenFile], progress: (UInt64, UInt64) -> Void
    ) throws(CheckpointError) -> [ChunkDigests] {
        let total = chunks.reduce(UInt64(0)) { $0 + UInt64(layout.length(ofChunk: $1)) }
        let state = Guarded(State(results: [ChunkDigests?](repeating: nil, count: chunks.count)))
        let helpers = HelperThreads(count: min(threads, Self.threadLimit, chunks.count) - 1) {
            work(chunks, files, state) { _ in }
        }
        work(chunks, files, state) { progress($0, total) }
        helpers.join()
        let (results, failure) = state.withLock { ($0.results, $0.failure) }
        if let failure { throw failure }
        progress(total, total)
        return results.compactMap(\.self)
    }

    /// Takes one chunk after the other until there is none, or somebody failed.
    private func work(_ chunks: [Int], _ files: [OpenFile], _ state: Guarded<State>, progress: (UInt64) -> Void) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(min(layout.chunkSize, max(1, layout.totalBytes))), alignment: Int(getpagesize()))
        defer { buffer.deallocate() }
        while let place = Self.takeNext(state) {
            let chunk = chunks[place]
            let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<layout.length(ofChunk: chunk)])
            do throws(CheckpointError) {
                guard !isCancelled() else { throw .cancelled }
                try read(chunk, files, into: bytes)
            } catch {
                return state.withLock { $0.failure = $0.failure ?? error }
            }
            let digests = digester.digests(of: UnsafeRawBufferPointer(bytes))
            let done = state.withLock {
                $0.results[place] = digests
                $0.bytesDone += UInt64(bytes.count)
                return $0.bytesDone
            }
            progress(done)
        }
    }

    private static func takeNext(_ state: Guarded<State>) -> Int? {
        state.withLock {
            guard $0.failure == nil, $0.next < $0.results.count else { return nil }
            $0.next += 1
            return $0.next - 1
        }
    }

    private func read(
        _ chunk: Int, _ files: [OpenFile], into buffer: UnsafeMutableRawBufferPointer
    ) throws(CheckpointError) {
        for piece in layout.pieces(ofChunk: chunk) {
            let part = buffer[piece.chunkOffset..<piece.chunkOffset + piece.length]
            try files[piece.storage].read(into: UnsafeMutableRawBufferPointer(rebasing: part), at: piece.offset)
        }
    }
}
