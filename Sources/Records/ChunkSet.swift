/// A have-map: which chunks of a manifest are there. One bit each, in the order of the layout.
package struct ChunkSet: Hashable, Sendable {
    package let chunkCount: Int
    package private(set) var count: Int
    private var words: [UInt64]

    package init(chunkCount: Int, full: Bool = false) {
        self.chunkCount = chunkCount
        words = [UInt64](repeating: full ? .max : 0, count: (chunkCount + 63) / 64)
        count = full ? chunkCount : 0
        if full, chunkCount % 64 != 0 { words[words.count - 1] = 1 << UInt64(chunkCount % 64) - 1 }
    }

    package var isFull: Bool { count == chunkCount }
    package var isEmpty: Bool { count == 0 }

    package func contains(_ chunk: Int) -> Bool {
        chunk >= 0 && chunk < chunkCount && words[chunk / 64] >> UInt64(chunk % 64) & 1 == 1
    }

    /// Returns whether it was new. Chunks out of range are ignored.
    @discardableResult
    package mutating func insert(_ chunk: Int) -> Bool {
        guard chunk >= 0, chunk < chunkCount, !contains(chunk) else { return false }
        words[chunk / 64] |= 1 << UInt64(chunk % 64)
        count += 1
        return true
    }

    @discardableResult
    package mutating func remove(_ chunk: Int) -> Bool {
        guard contains(chunk) else { return false }
        words[chunk / 64] &= ~(1 << UInt64(chunk % 64))
        count -= 1
        return true
    }

    /// Eighths of the chunks that are there, rounded down; 8 only when all are.
    package var eighths: UInt8 {
        chunkCount == 0 ? 8 : UInt8(count * 8 / chunkCount)
    }

    /// The members in ascending order.
    package var elements: [Int] { (0..<chunkCount).filter(contains) }
}

extension ChunkSet: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(UInt32(chunkCount))
        let form: UInt8 = isFull ? 1 : isEmpty ? 0 : 2
        writer.write(form)
        if form == 2 { for word in words { writer.write(word) } }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        let count = try reader.readCount("have-map chunks", limit: ManifestLimits.chunks)
        switch try reader.read(UInt8.self, "have-map form") {
        case 0: self.init(chunkCount: count)
        case 1: self.init(chunkCount: count, full: true)
        case 2:
            guard reader.remaining >= (count + 63) / 64 * 8 else { throw .truncated(field: "have-map") }
            self.init(chunkCount: count)
            for index in words.indices { words[index] = try reader.read("have-map word") }
            if count % 64 != 0, let last = words.last, last >> UInt64(count % 64) != 0 {
                throw .malformed(field: "have-map tail")
            }
            self.count = words.reduce(0) { $0 + $1.nonzeroBitCount }
        case let form: throw .unknownValue(field: "have-map form", value: UInt64(form))
        }
    }
}
