import Checkpoint
import Digest
import Glibc
import Records
import Synchronization
import Testing

@Suite("Digesting a folder")
struct CheckpointDigestTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func open(revision: String? = nil, chunkSize: UInt64 = SampleModel.chunkSize) throws -> CheckpointFolder {
        try CheckpointFolder.open(
            path: "\(folder.path)/model", name: "org/name", revision: revision, chunkSize: chunkSize)
    }

    /// Counts the chunks that were digested.
    private final class Counter: Sendable {
        let chunks = Atomic<Int>(0)
        var digester: ChunkDigester {
            ChunkDigester(
                crc32c: { [self] in
                    chunks.add(1, ordering: .relaxed)
                    return ChunkDigester.portable.crc32c($0, $1)
                }, strong: ChunkDigester.portable.strong)
        }
        var count: Int { chunks.load(ordering: .relaxed) }
    }

    @Test("The manifest has the digests of the plain bytes, whatever the number of threads", arguments: [1, 2, 7, 500])
    func digests(threads: Int) throws {
        try SampleModel.write(to: folder)
        let manifest = try open(revision: "main").digest(using: .portable, threads: threads)
        let contents = try SampleModel.names.map { try folder.read("model/\($0)") }
        #expect(manifest.digests == SampleModel.digests(contents))
        #expect(manifest.layout.storages.map(\.name) == SampleModel.names)
        #expect(manifest.identity == SourceIdentity(model: "org/name", revision: "main", stage: .files))
        #expect(try Manifest(decoding: manifest.encoded) == manifest)
    }

    @Test("Chunks of any size are cut at the same places", arguments: [UInt64(4096), 5000, 16_384, 64 << 20])
    func chunkSizes(size: UInt64) throws {
        try SampleModel.write(to: folder)
        let contents = try SampleModel.names.map { try folder.read("model/\($0)") }
        let manifest = try open(chunkSize: size).digest(using: .portable, threads: 2)
        #expect(manifest.digests == SampleModel.digests(contents, chunkSize: Int(size)))
    }

    @Test("A revision that nobody gave comes from names, sizes and content alone")
    func revision() throws {
        try SampleModel.write(to: folder)
        let first = try open().digest(using: .portable, threads: 1).identity.revision
        #expect(first.count == 16)
        #expect(try open().digest(using: .portable, threads: 2).identity.revision == first)
        try folder.write("model/config.json", Array("[]".utf8))
        #expect(try open().digest(using: .portable, threads: 1).identity.revision != first)
    }

    @Test("Files of no bytes make a manifest without chunks")
    func noBytes() throws {
        try folder.write("model/a", [])
        try folder.write("model/b", [])
        let manifest = try open().digest(using: .portable, threads: 3)
        #expect(manifest.digests.isEmpty)
        #expect(manifest.layout.storages.map(\.size) == [0, 0])
    }

    @Test("Progress ends with all bytes")
    func progress() throws {
        try SampleModel.write(to: folder)
        let opened = try open()
        var steps: [UInt64] = []
        _ = try opened.digest(
            using: .portable, threads: 2,
            progress: { done, total in
                #expect(total == opened.layout.totalBytes)
                steps.append(done)
            })
        #expect(steps == steps.sorted())
        #expect(steps.last == opened.layout.totalBytes)
    }

    @Test("A file that is cut short after it was opened is named")
    func shrinks() throws {
        try SampleModel.write(to: folder)
        let opened = try open()
        try folder.truncate("model/model-00001-of-00002.safetensors", to: 100)
        #expect(throws: CheckpointError.shrank(file: "\(folder.path)/model/model-00001-of-00002.safetensors")) {
            try opened.digest(using: .portable, threads: 2)
        }
    }

    @Test("A file that shrinks or changes while it is digested is named", arguments: [0, 5000])
    func changesMeanwhile(size: Int) throws {
        try folder.write("model/a.bin", SampleModel.bytes(5000, seed: 3))
        let opened = try open()
        let file = "\(folder.path)/model/a.bin"
        let meddling = ChunkDigester(
            crc32c: { bytes, seed in
                let descriptor = Glibc.open(file, O_WRONLY)
                _ = pwrite(descriptor, "x", 1, 0)
                ftruncate(descriptor, off_t(size))
                close(descriptor)
                return ChunkDigester.portable.crc32c(bytes, seed)
            }, strong: ChunkDigester.portable.strong)
        #expect(throws: size == 0 ? CheckpointError.shrank(file: file) : .changed(file: file)) {
            try opened.digest(using: meddling, threads: 1)
        }
    }

    @Test("It stops when it is told to")
    func cancels() throws {
        try SampleModel.write(to: folder)
        let opened = try open()
        #expect(throws: CheckpointError.cancelled) {
            try opened.digest(using: .portable, threads: 2, isCancelled: { true })
        }
    }

    private func ageAll() throws { for name in SampleModel.names { try folder.age("model/\(name)", seconds: 60) } }

    @Test("A folder that was digested before is not digested again")
    func cache() throws {
        try SampleModel.write(to: folder)
        try ageAll()
        let cache = try DigestCache.open(folder: "\(folder.path)/cache")
        let counter = Counter()
        let first = try open().digest(using: counter.digester, threads: 2, cache: cache)
        #expect(counter.count == first.digests.count)
        let second = try open().digest(using: counter.digester, threads: 2, cache: cache)
        #expect(second == first)
        #expect(counter.count == first.digests.count)
        #expect(folder.mode("cache") == 0o700)
        let entry = try #require(folder.entries("cache").first)
        #expect(folder.entries("cache").count == 1)
        #expect(folder.mode("cache/\(entry)") == 0o600)
    }

    @Test("A changed file is digested again", arguments: ["touched", "rewritten", "another chunk size"])
    func staleCache(how: String) throws {
        try SampleModel.write(to: folder)
        try ageAll()
        let cache = try DigestCache.open(folder: "\(folder.path)/cache")
        _ = try open().digest(using: .portable, threads: 1, cache: cache)
        var size = SampleModel.chunkSize
        switch how {
        case "touched": try folder.age("model/config.json", seconds: 30)
        case "rewritten": try folder.write("model/config.json", Array("[]".utf8))
        default: size *= 2
        }
        let counter = Counter()
        let manifest = try open(chunkSize: size).digest(using: counter.digester, threads: 1, cache: cache)
        #expect(counter.count == manifest.digests.count)
        let contents = try SampleModel.names.map { try folder.read("model/\($0)") }
        #expect(manifest.digests == SampleModel.digests(contents, chunkSize: Int(size)))
    }

    @Test("A damaged entry of the cache counts as none and is written anew", arguments: [0, 20, 60, -1])
    func damagedCache(place: Int) throws {
        try SampleModel.write(to: folder)
        try ageAll()
        let cache = try DigestCache.open(folder: "\(folder.path)/cache")
        let first = try open().digest(using: .portable, threads: 1, cache: cache)
        let entry = "cache/\(try #require(folder.entries("cache").first))"
        let good = try folder.read(entry)
        var bad = good
        if place < 0 { bad.removeLast() } else { bad[place] ^= 1 }
        try folder.write(entry, bad)
        let counter = Counter()
        #expect(try open().digest(using: counter.digester, threads: 1, cache: cache) == first)
        #expect(counter.count == first.digests.count)
        #expect(try folder.read(entry) == good)
    }

    @Test("Files written a moment ago are not remembered, since time stamps can't tell them from the next version")
    func freshFiles() throws {
        try SampleModel.write(to: folder)
        try folder.age("model/config.json", seconds: -60)
        let cache = try DigestCache.open(folder: "\(folder.path)/cache")
        _ = try open().digest(using: .portable, threads: 1, cache: cache)
        #expect(folder.entries("cache").isEmpty)
    }

    @Test("The cache forgets the folder that was unused for longest")
    func boundedCache() throws {
        let cache = try DigestCache.open(folder: "\(folder.path)/cache")
        try folder.write("model/a", [1])
        for age in 60..<130 {
            try folder.age("model/a", seconds: age)
            _ = try open().digest(using: .portable, threads: 1, cache: cache)
        }
        #expect(folder.entries("cache").count == 64)
    }

    @Test("A cache folder that others may write to is refused")
    func openCache() throws {
        try folder.makeFolder("cache")
        try #require(chmod("\(folder.path)/cache", 0o777) == 0)
        #expect(throws: CheckpointError.unsafeCacheFolder(path: "\(folder.path)/cache")) {
            try DigestCache.open(folder: "\(folder.path)/cache")
        }
    }
}
