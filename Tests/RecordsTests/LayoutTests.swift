import Digest
import Records
import Testing

@Suite("Layouts and manifests")
struct LayoutTests {
    /// The pieces of all chunks, in order, are the whole range once, storage by storage.
    private func checkPieces(_ layout: Layout, _ note: Comment) {
        var storage = 0
        var offset: UInt64 = 0
        for chunk in 0..<layout.chunkCount {
            var inChunk = 0
            for piece in layout.pieces(ofChunk: chunk) {
                while offset == layout.storages[storage].size {
                    storage += 1
                    offset = 0
                }
                #expect(piece.storage == storage && piece.offset == offset && piece.chunkOffset == inChunk, note)
                #expect(piece.length > 0, note)
                offset += UInt64(piece.length)
                inChunk += piece.length
                guard offset <= layout.storages[storage].size else { break }
            }
            #expect(inChunk == layout.length(ofChunk: chunk), note)
        }
        let rest = layout.storages.dropFirst(storage + 1).reduce(0) { $0 + $1.size }
        #expect(rest == 0 && (layout.storages.isEmpty || offset == layout.storages[storage].size), note)
    }

    private func layout(_ sizes: [UInt64]) throws -> Layout {
        let storages = sizes.enumerated().map { Storage(name: String(UnicodeScalar(0x4E00 + $0) ?? "?"), size: $1) }
        return try Layout(storages: storages, chunkSize: 4096)
    }

    @Test(
        "Empty, tiny and misaligned storages are covered once",
        arguments: [
            [], [0], [0, 0, 0], [1], [0, 1, 0], [4096], [4095, 1], [4096, 0, 0, 4096], [1, 4096, 1], [0, 0, 8192, 0],
            [4097], [3, 0, 5, 0, 0, 7, 12_288, 0],
        ])
    func fixedShapes(sizes: [UInt64]) throws {
        let layout = try layout(sizes)
        let total = sizes.reduce(0, +)
        #expect(layout.totalBytes == total)
        #expect(layout.chunkCount == Int((total + 4095) / 4096))
        checkPieces(layout, "\(sizes)")
    }

    @Test("Random storages are covered once", arguments: 1...200)
    func randomShapes(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let choices: [UInt64] = [0, 0, 1, 2, 4095, 4096, 4097, 10_000]
        let sizes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
            choices.randomElement(using: &generator) ?? 0
        }
        checkPieces(try layout(sizes), "seed \(seed)")
    }

    @Test("Storages out of order, or named twice, are refused")
    func storageOrder() {
        for names in [["b", "a"], ["a", "a"], ["é", "z"]] {
            #expect(throws: WireError.malformed(field: "storage order")) {
                try Layout(storages: names.map { Storage(name: $0, size: 1) }, chunkSize: 4096)
            }
        }
        #expect(Layout.precedes("z", "é") && !Layout.precedes("a", "a") && Layout.precedes("a", "a/b"))
    }

    @Test("Chunk sizes and contents out of bounds are refused")
    func bounds() {
        for size in [0, 1, 4095, 64 * 1024 * 1024 + 1, .max] as [UInt64] {
            #expect(throws: WireError.self) { try Layout(storages: [], chunkSize: size) }
        }
        for size in [.max, UInt64(ManifestLimits.chunks) * 4096 + 1] as [UInt64] {
            #expect(throws: WireError.self) {
                try Layout(storages: [Storage(name: "a", size: 1), Storage(name: "b", size: size)], chunkSize: 4096)
            }
        }
    }
}

@Suite("Manifests that contradict themselves")
struct ManifestTests {
    private func manifest(
        tensors: [Tensor] = [], digests: Int = 2, chunkSize: UInt64 = 4096
    ) throws -> Manifest {
        let layout = try Layout(
            storages: [Storage(name: "a", size: 10), Storage(name: "b", size: 5000)], chunkSize: chunkSize)
        return try Manifest(
            identity: RecordSamples.identity, rank: 0, layout: layout, tensors: tensors,
            digests: (0..<digests).map { ChunkDigests(crc32c: UInt32($0), strong: .zero) })
    }

    private func tensor(storage: UInt32, offset: UInt64, size: UInt64) -> Tensor {
        Tensor(name: "t", dtype: "U8", shape: [size], storage: storage, offset: offset, size: size)
    }

    @Test("A manifest with too few or too many digests is refused", arguments: [0, 1, 3])
    func digestCount(count: Int) {
        #expect(throws: WireError.malformed(field: "chunk digests")) { try manifest(digests: count) }
    }

    @Test("A tensor outside its storage is refused")
    func tensorRange() throws {
        #expect(throws: Never.self) { try manifest(tensors: [tensor(storage: 0, offset: 10, size: 0)]) }
        #expect(throws: Never.self) { try manifest(tensors: [tensor(storage: 1, offset: 1, size: 4999)]) }
        #expect(throws: WireError.malformed(field: "tensor storage")) {
            try manifest(tensors: [tensor(storage: 2, offset: 0, size: 0)])
        }
        for (offset, size) in [(0, 11), (10, 1), (11, 0), (.max, 1), (1, .max)] as [(UInt64, UInt64)] {
            #expect(throws: WireError.malformed(field: "tensor range")) {
                try manifest(tensors: [tensor(storage: 0, offset: offset, size: size)])
            }
        }
    }

    @Test("Bytes whose storages are out of order are no manifest")
    func orderOnTheWire() throws {
        let bytes = try manifest().encoded
        let names = bytes.indices.filter { bytes[$0...].starts(with: [1, 0, 0, 0, UInt8(ascii: "a"), 10]) }
        var changed = bytes
        changed[try #require(names.first) + 4] = UInt8(ascii: "c")
        #expect(throws: WireError.malformed(field: "storage order")) { try Manifest(decoding: changed) }
    }

    @Test("Every byte of a manifest is part of its name")
    func everyByteCounts() throws {
        let manifest = try manifest(tensors: [tensor(storage: 1, offset: 1, size: 5)])
        let bytes = manifest.encoded
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            if let other = try? Manifest(decoding: changed) { #expect(other.id != manifest.id, "byte \(index)") }
        }
    }
}
