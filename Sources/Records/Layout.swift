/// Part of a chunk that lies in one storage.
package struct Piece: Hashable, Sendable {
    /// Index into the layout's storages.
    package let storage: Int
    /// Bytes from the start of the storage.
    package let offset: UInt64
    /// Bytes.
    package let length: Int
    /// Bytes from the start of the chunk.
    package let chunkOffset: Int

    package init(storage: Int, offset: UInt64, length: Int, chunkOffset: Int) {
        self.storage = storage
        self.offset = offset
        self.length = length
        self.chunkOffset = chunkOffset
    }
}

/// Storages in canonical order, end to end as one virtual range, cut into chunks of one size (the last may be shorter).
package struct Layout: Hashable, Sendable {
    package let storages: [Storage]
    /// Bytes.
    package let chunkSize: UInt64
    package let totalBytes: UInt64
    package let chunkCount: Int
    /// Where each storage begins in the virtual range.
    private let starts: [UInt64]

    /// Storages must be in strictly ascending order of their names' bytes, so that equal content has one layout.
    package init(storages: [Storage], chunkSize: UInt64) throws(WireError) {
        guard ManifestLimits.chunkSizes.contains(chunkSize) else {
            throw .tooLarge(field: "chunk size", value: chunkSize, limit: ManifestLimits.chunkSizes.upperBound)
        }
        guard storages.count <= ManifestLimits.storages else {
            throw .tooLarge(
                field: "storages", value: UInt64(storages.count), limit: UInt64(ManifestLimits.storages))
        }
        var starts: [UInt64] = []
        var total: UInt64 = 0
        for (index, storage) in storages.enumerated() {
            if index > 0, !Self.precedes(storages[index - 1].name, storage.name) {
                throw .malformed(field: "storage order")
            }
            starts.append(total)
            let (sum, overflow) = total.addingReportingOverflow(storage.size)
            guard !overflow, sum <= UInt64(ManifestLimits.chunks) * chunkSize else {
                throw .tooLarge(
                    field: "content", value: storage.size, limit: UInt64(ManifestLimits.chunks) * chunkSize)
            }
            total = sum
        }
        self.storages = storages
        self.chunkSize = chunkSize
        self.starts = starts
        totalBytes = total
        chunkCount = Int((total + chunkSize - 1) / chunkSize)
    }

    /// Order of names by their UTF-8 bytes: the canonical order, independent of any locale.
    package static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    /// Bytes of one chunk.
    package func length(ofChunk chunk: Int) -> Int {
        Int(min(chunkSize, totalBytes - UInt64(chunk) * chunkSize))
    }

    /// The pieces of a chunk in order; empty storages have none. `chunk` must be below `chunkCount`.
    package func pieces(ofChunk chunk: Int) -> [Piece] {
        let start = UInt64(chunk) * chunkSize
        let end = start + UInt64(length(ofChunk: chunk))
        var pieces: [Piece] = []
        var position = start
        var index = storageIndex(containing: start)
        while position < end {
            let storageEnd = starts[index] + storages[index].size
            let pieceEnd = min(end, storageEnd)
            if pieceEnd > position {
                pieces.append(
                    Piece(
                        storage: index, offset: position - starts[index], length: Int(pieceEnd - position),
                        chunkOffset: Int(position - start)))
                position = pieceEnd
            }
            index += 1
        }
        return pieces
    }

    /// The last storage that begins at or before `position`, by binary search.
    private func storageIndex(containing position: UInt64) -> Int {
        var low = 0
        var high = starts.count
        while low + 1 < high {
            let middle = (low + high) / 2
            if starts[middle] <= position { low = middle } else { high = middle }
        }
        // Empty storages share their start with the next one; step back to the first of them.
        while low > 0, starts[low - 1] == starts[low] { low -= 1 }
        return low
    }
}
