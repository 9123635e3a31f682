import Records
import Testing

@Suite("Have-maps")
struct ChunkSetTests {
    @Test("A have-map behaves as a set of numbers does", arguments: 1...60)
    func model(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let count = [0, 1, 63, 64, 65, 127, 128, 200].randomElement(using: &generator) ?? 0
        var set = ChunkSet(chunkCount: count)
        var model: Set<Int> = []
        for _ in 0..<300 {
            let chunk = Int.random(in: -2...count + 70, using: &generator)
            let isInRange = (0..<count).contains(chunk)
            if Bool.random(using: &generator) {
                #expect(set.insert(chunk) == (isInRange && model.insert(chunk).inserted), "seed \(seed)")
            } else {
                #expect(set.remove(chunk) == (model.remove(chunk) != nil), "seed \(seed)")
            }
            #expect(set.contains(chunk) == model.contains(chunk), "seed \(seed)")
            #expect(set.count == model.count, "seed \(seed)")
        }
        #expect(set.elements == model.sorted(), "seed \(seed)")
        #expect(set.isEmpty == model.isEmpty && set.isFull == (model.count == count), "seed \(seed)")
        #expect(try ChunkSet(decoding: set.encoded) == set, "seed \(seed)")
    }

    @Test("A full have-map is the one to which every chunk was added", arguments: [0, 1, 63, 64, 65, 128])
    func full(count: Int) throws {
        var set = ChunkSet(chunkCount: count)
        for chunk in 0..<count { set.insert(chunk) }
        #expect(set == ChunkSet(chunkCount: count, full: true))
        #expect(set.isFull)
        #expect(set.encoded.count == 5)
        #expect(try ChunkSet(decoding: set.encoded) == set)
    }

    @Test("Eighths are rounded down, and 8 only when all is there")
    func eighths() {
        var set = ChunkSet(chunkCount: 9)
        var told: [UInt8] = []
        for chunk in 0..<9 {
            set.insert(chunk)
            told.append(set.eighths)
        }
        #expect(told == [0, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(ChunkSet(chunkCount: 0).eighths == 8)
    }

    @Test("Bits behind the last chunk, and unknown forms, are refused")
    func badBytes() {
        let words: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]
        #expect(throws: WireError.malformed(field: "have-map tail")) {
            try ChunkSet(decoding: [70, 0, 0, 0, 2] + words)
        }
        #expect(throws: WireError.unknownValue(field: "have-map form", value: 3)) {
            try ChunkSet(decoding: [70, 0, 0, 0, 3] + words)
        }
    }
}
