package import Transfer

/// Where the bytes of one read go as they come: the chunk's place in the destination, or a buffer that is written there, or kept
/// as a bounce chunk, once it was verified.
///
/// `@unchecked Sendable`: it has one holder at a time, who got it through a queue's lock from the holder before. The memory is
/// the buffer's or the sink's, which the room and the lane's target keep alive.
final class ChunkRoom: @unchecked Sendable {
    /// In order, as long as the chunk together.
    let parts: [UnsafeMutableRawBufferPointer]
    /// Nil in place.
    private let buffer: ChunkBuffer?
    private let pool: ChunkBufferPool

    var isInPlace: Bool { buffer == nil }

    /// In place.
    init(parts: [UnsafeMutableRawBufferPointer], pool: ChunkBufferPool) {
        self.parts = parts
        buffer = nil
        self.pool = pool
    }

    init(buffer: ChunkBuffer, length: Int, pool: ChunkBufferPool) {
        parts = [UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<length])]
        self.buffer = buffer
        self.pool = pool
    }

    deinit { if let buffer { pool.release(buffer) } }

    var readable: [UnsafeRawBufferPointer] { parts.map { UnsafeRawBufferPointer($0) } }

    /// Takes the parts in order, whatever lengths they are asked for in.
    struct Cursor {
        private var parts: ArraySlice<UnsafeMutableRawBufferPointer>
        private var done = 0

        init(_ room: ChunkRoom) { parts = room.parts[...] }

        /// The next bytes that lie together, at most `limit` of them. Not to be called when all were taken.
        mutating func next(limit: Int) -> UnsafeMutableRawBufferPointer {
            while let part = parts.first, part.count == done {
                parts.removeFirst()
                done = 0
            }
            guard let part = parts.first else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
            let next = UnsafeMutableRawBufferPointer(rebasing: part[done..<min(done + limit, part.count)])
            done += next.count
            return next
        }
    }
}

/// A verified chunk that waits for its place, since another lane may still write there. Letting it go drops it.
package final class BouncedChunk: Equatable, Sendable {
    private let chunk: Int
    private let room: ChunkRoom

    init(chunk: Int, room: ChunkRoom) {
        self.chunk = chunk
        self.room = room
    }

    /// Copies it to where it belongs. Blocks as the sink does.
    package func place(in sink: any ChunkSink) throws(LaneError) {
        do {
            try sink.write(chunk: chunk, bytes: room.readable[0])
        } catch {
            throw .sinkFailed("\(error)")
        }
    }

    package static func == (left: BouncedChunk, right: BouncedChunk) -> Bool { left === right }
}
