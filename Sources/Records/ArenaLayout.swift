/// Where the storages of a layout lie when one memory file holds them all: in the layout's order, each beginning at a multiple
/// of an alignment. Both sides of a lane compute it, so only the alignment travels.
package struct ArenaLayout: Hashable, Sendable {
    /// What alignments may be, bytes: powers of two up to a huge page.
    package static let alignments: ClosedRange<UInt64> = 1...(2 * 1024 * 1024)

    /// Bytes.
    package let alignment: UInt64
    /// Bytes of the whole arena.
    package let size: UInt64
    /// Where each storage begins, bytes.
    package let starts: [UInt64]

    /// Nil when the alignment is none, or the arena would be larger than any address space.
    package init?(_ layout: Layout, alignment: UInt64) {
        guard Self.alignments.contains(alignment), alignment.nonzeroBitCount == 1 else { return nil }
        var starts: [UInt64] = []
        starts.reserveCapacity(layout.storages.count)
        var end: UInt64 = 0
        for storage in layout.storages {
            let start = (end + alignment - 1) & ~(alignment - 1)
            starts.append(start)
            end = start + storage.size
            guard end <= UInt64(Int64.max) / 2 else { return nil }
        }
        self.alignment = alignment
        self.starts = starts
        size = end
    }

    /// Where a chunk lies in the arena, in order. Pieces that touch are one extent, so that a chunk of a thousand little tensors
    /// is mostly one.
    package func extents(ofChunk chunk: Int, in layout: Layout) -> [Extent] {
        var extents: [Extent] = []
        for piece in layout.pieces(ofChunk: chunk) {
            let offset = starts[piece.storage] + piece.offset
            if let last = extents.last, last.offset + UInt64(last.length) == offset {
                extents[extents.count - 1].length += piece.length
            } else {
                extents.append(Extent(storage: piece.storage, offset: offset, length: piece.length))
            }
        }
        return extents
    }
}

/// Bytes that lie together in the descriptor of a storage.
package struct Extent: Hashable, Sendable {
    /// Index into the layout's storages: the first that it touches.
    package let storage: Int
    /// Bytes from the start of the descriptor.
    package let offset: UInt64
    /// Bytes.
    package fileprivate(set) var length: Int

    package init(storage: Int, offset: UInt64, length: Int) {
        self.storage = storage
        self.offset = offset
        self.length = length
    }
}
