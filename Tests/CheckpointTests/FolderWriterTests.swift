import Checkpoint
import Digest
import Glibc
import Records
import Testing

@Suite("Writing a pulled folder")
struct FolderWriterTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private static let staging = ".pulled.modelexpress-partial"
    private var destination: String { "\(folder.path)/pulled" }

    private func source() throws -> (content: CheckpointFolder, manifest: Manifest) {
        try SampleModel.write(to: folder)
        let content = try CheckpointFolder.open(path: "\(folder.path)/model", chunkSize: SampleModel.chunkSize)
        return (content, try content.digest(using: .portable, threads: 1))
    }

    private func manifest(_ storages: [Storage]) throws -> Manifest {
        let layout = try Layout(storages: storages, chunkSize: SampleModel.chunkSize)
        return try Manifest(
            identity: SourceIdentity(model: "m", revision: "r", stage: .files), rank: 0, layout: layout, tensors: [],
            digests: [ChunkDigests](repeating: ChunkDigests(crc32c: 0, strong: .zero), count: layout.chunkCount))
    }

    private func chunk(_ index: Int, of content: CheckpointFolder) -> [UInt8] {
        content.layout.pieces(ofChunk: index).flatMap { piece in
            TemporaryFolder.readAll(content.readDescriptor(forStorage: piece.storage))
                .dropFirst(Int(piece.offset)).prefix(piece.length)
        }
    }

    private func pull(_ chunks: some Sequence<Int>, from content: CheckpointFolder, to writer: FolderWriter) throws {
        for index in chunks {
            try chunk(index, of: content).withUnsafeBytes { try writer.write(chunk: index, bytes: $0) }
            writer.markVerified(index)
        }
        writer.saveMarks()
    }

    private func expectPulled() throws {
        for name in SampleModel.names { #expect(try folder.read("pulled/\(name)") == folder.read("model/\(name)")) }
        #expect(folder.entries("pulled") == folder.entries("model").filter { !$0.hasPrefix(".") })
        #expect(!folder.exists(Self.staging))
    }

    private func openError(_ manifest: Manifest, at path: String? = nil) -> CheckpointError? {
        do throws(CheckpointError) {
            _ = try FolderWriter.open(directory: path ?? destination, manifest: manifest)
        } catch {
            return error
        }
        return nil
    }

    @Test("A pulled folder is the source's, byte for byte, and appears at once", arguments: [true, false])
    func roundTrip(isThereAnEmptyFolder: Bool) throws {
        let (content, manifest) = try source()
        if isThereAnEmptyFolder { try folder.makeFolder("pulled") }
        let writer = try FolderWriter.open(directory: destination + "/", manifest: manifest)
        #expect(writer.path == destination)
        #expect(folder.mode(Self.staging) == 0o700)
        try pull((0..<manifest.layout.chunkCount).reversed(), from: content, to: writer)
        #expect(folder.entries("pulled").isEmpty)
        try writer.finish()
        try expectPulled()
        for (index, storage) in manifest.layout.storages.enumerated() {
            let bytes = TemporaryFolder.readAll(writer.readDescriptor(forStorage: index))
            #expect(bytes == (try folder.read("pulled/\(storage.name)")))
        }
    }

    @Test("The read descriptors show a chunk as soon as it is written, and can't write")
    func relays() throws {
        let (content, manifest) = try source()
        let writer = try FolderWriter.open(directory: destination, manifest: manifest)
        let piece = try #require(manifest.layout.pieces(ofChunk: 1).first)
        try pull([1], from: content, to: writer)
        let descriptor = writer.readDescriptor(forStorage: piece.storage)
        let bytes = TemporaryFolder.readAll(descriptor).dropFirst(Int(piece.offset)).prefix(piece.length)
        #expect(Array(bytes) == Array(chunk(1, of: content)[piece.chunkOffset..<piece.chunkOffset + piece.length]))
        #expect(pwrite(descriptor, "x", 1, 0) == -1)
    }

    @Test("Content of no bytes is pulled too")
    func noChunks() throws {
        let manifest = try manifest([Storage(name: "a", size: 0), Storage(name: "b/c", size: 0)])
        let writer = try FolderWriter.open(directory: destination, manifest: manifest)
        #expect(try writer.verifiedChunks(using: .portable, threads: 2).isFull)
        try writer.finish()
        #expect(folder.entries("pulled") == ["a", "b"])
        #expect(try folder.read("pulled/b/c").isEmpty)
    }

    @Test("An unfinished pull can't be put in place")
    func incomplete() throws {
        let (content, manifest) = try source()
        let writer = try FolderWriter.open(directory: destination, manifest: manifest)
        try pull(1..<manifest.layout.chunkCount, from: content, to: writer)
        #expect(throws: CheckpointError.incomplete(path: destination, missing: 1)) { try writer.finish() }
        #expect(!folder.exists("pulled"))
    }

    @Test("A chunk of the wrong size or number is refused")
    func wrongChunks() throws {
        let (_, manifest) = try source()
        let writer = try FolderWriter.open(directory: destination, manifest: manifest)
        let bytes = [UInt8](repeating: 0, count: Int(SampleModel.chunkSize))
        for (index, count) in [(0, 10), (-1, 4096), (manifest.layout.chunkCount, 4096)] {
            #expect(throws: CheckpointError.wrongChunk(chunk: index, bytes: count)) {
                try bytes.prefix(count).withUnsafeBytes { try writer.write(chunk: index, bytes: $0) }
            }
        }
    }

    @Test("A pull that was killed goes on with the chunks whose bytes are right", arguments: [1, 3])
    func resumes(threads: Int) throws {
        let (content, manifest) = try source()
        let half = manifest.layout.chunkCount / 2
        try #require(half >= 2)
        do {
            // It goes without `finish`, as in a killed process.
            let writer = try FolderWriter.open(directory: destination, manifest: manifest)
            try pull(0..<half, from: content, to: writer)
            // A chunk that is wrong on disk, whatever the log says.
            try [UInt8](repeating: 7, count: 4096).withUnsafeBytes { try writer.write(chunk: 0, bytes: $0) }
        }
        let log = try folder.read("\(Self.staging)/finished")
        // A torn entry, and entries that make no sense.
        try folder.write("\(Self.staging)/finished", log + [0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0])
        let writer = try FolderWriter.open(directory: destination, manifest: manifest, id: manifest.id)
        let verified = try writer.verifiedChunks(using: .portable, threads: threads)
        #expect(verified.elements == Array(1..<half))
        try pull((0..<manifest.layout.chunkCount).filter { !verified.contains($0) }, from: content, to: writer)
        try writer.finish()
        try expectPulled()
    }

    @Test("A pull that is kept can be taken up in the same process")
    func kept() throws {
        let (content, manifest) = try source()
        let first = try FolderWriter.open(directory: destination, manifest: manifest)
        try pull([2], from: content, to: first)
        first.keepForResume()
        #expect(throws: CheckpointError.writerClosed(path: destination)) { try first.finish() }
        let second = try FolderWriter.open(directory: destination, manifest: manifest)
        #expect(try second.verifiedChunks(using: .portable, threads: 1).elements == [2])
    }

    @Test("A pull that is kept saves the marks that nobody saved before")
    func unsavedMarks() throws {
        let (content, manifest) = try source()
        let first = try FolderWriter.open(directory: destination, manifest: manifest)
        for index in [0, 2] {
            try chunk(index, of: content).withUnsafeBytes { try first.write(chunk: index, bytes: $0) }
            first.markVerified(index)
        }
        first.keepForResume()
        first.saveMarks()
        let second = try FolderWriter.open(directory: destination, manifest: manifest)
        #expect(try second.verifiedChunks(using: .portable, threads: 1).elements == [0, 2])
    }

    @Test("A resume that is cancelled keeps what was there for the next one")
    func cancelledResume() throws {
        let (content, manifest) = try source()
        let first = try FolderWriter.open(directory: destination, manifest: manifest)
        try pull([1, 2], from: content, to: first)
        first.keepForResume()
        do {
            let second = try FolderWriter.open(directory: destination, manifest: manifest)
            #expect(throws: CheckpointError.cancelled) {
                try second.verifiedChunks(using: .portable, threads: 2, isCancelled: { true })
            }
        }
        let third = try FolderWriter.open(directory: destination, manifest: manifest)
        #expect(try third.verifiedChunks(using: .portable, threads: 1).elements == [1, 2])
    }

    @Test("What a pull of another manifest left is removed")
    func anotherManifest() throws {
        let (content, manifest) = try source()
        let other = try self.manifest([Storage(name: "config.json/x", size: 5000), Storage(name: "old", size: 9000)])
        try FolderWriter.open(directory: destination, manifest: other).keepForResume()
        #expect(folder.entries("\(Self.staging)/content") == ["config.json", "old"])
        let writer = try FolderWriter.open(directory: destination, manifest: manifest)
        #expect(try writer.verifiedChunks(using: .portable, threads: 1).isEmpty)
        try pull(0..<manifest.layout.chunkCount, from: content, to: writer)
        try writer.finish()
        try expectPulled()
    }

    @Test("Two pulls to one destination at once: the second is refused, and the first goes on")
    func twoWriters() throws {
        let (content, manifest) = try source()
        let first = try FolderWriter.open(directory: destination, manifest: manifest)
        #expect(openError(manifest) == .stagingInUse(path: "\(folder.path)/\(Self.staging)"))
        try pull(0..<manifest.layout.chunkCount, from: content, to: first)
        try first.finish()
        try expectPulled()
        #expect(openError(manifest) == .destinationNotEmpty(path: destination))
    }

    @Test("An abandoned pull leaves nothing, and the next one begins anew")
    func abandoned() throws {
        let (content, manifest) = try source()
        let writer = try FolderWriter.open(directory: destination, manifest: manifest)
        try pull([0], from: content, to: writer)
        try writer.abandon()
        try writer.abandon()
        #expect(folder.entries() == ["model"])
        let next = try FolderWriter.open(directory: destination, manifest: manifest)
        #expect(try next.verifiedChunks(using: .portable, threads: 1).isEmpty)
    }

    @Test("A destination that has something in it, is a file, or lies nowhere is refused")
    func badDestinations() throws {
        let manifest = try manifest([Storage(name: "a", size: 1)])
        try folder.write("pulled/mine", [1])
        #expect(openError(manifest) == .destinationNotEmpty(path: destination))
        try folder.write("file", [1])
        #expect(openError(manifest, at: "\(folder.path)/file") == .destinationNotFolder(path: "\(folder.path)/file"))
        let absent = "\(folder.path)/absent"
        #expect(openError(manifest, at: "\(absent)/x") == .noParent(path: absent))
        try folder.link("dangling", to: "nowhere")
        let dangling = "\(folder.path)/dangling"
        #expect(openError(manifest, at: dangling) == .destinationNotFolder(path: dangling))
        #expect(folder.entries() == ["dangling", "file", "pulled"])
    }

    @Test("A destination that somebody fills meanwhile is left alone")
    func filledMeanwhile() throws {
        let (content, manifest) = try source()
        let writer = try FolderWriter.open(directory: destination, manifest: manifest)
        try pull(0..<manifest.layout.chunkCount, from: content, to: writer)
        try folder.write("pulled/mine", [1])
        #expect(throws: CheckpointError.destinationNotEmpty(path: destination)) { try writer.finish() }
        #expect(try folder.read("pulled/mine") == [1])
        #expect(folder.exists(Self.staging))
    }

    private static let unsafeNames = [
        "../evil", "a/../../evil", "/etc/evil", "a//b", "a/", "./a", "a/.", "", "..", "a\u{0}b", "a\nb", "a/\u{7F}",
        String(repeating: "n", count: 256), String(repeating: "d/", count: 40) + "a", "/", "../\u{308}evil",
    ]

    @Test("A name that leads out of the folder is refused by name, and nothing is written", arguments: unsafeNames)
    func unsafeName(name: String) throws {
        let error = openError(try manifest([Storage(name: name, size: 10)]))
        guard case .unsafeName(let named, _) = error else {
            Issue.record("\(name) gives \(String(describing: error))")
            return
        }
        #expect(named == name)
        #expect(folder.entries().isEmpty)
    }

    @Test("A slash with a combining mark is a slash")
    func combiningSlash() throws {
        let name = "a/\u{308}b"
        let manifest = try manifest([Storage(name: name, size: 0)])
        try FolderWriter.open(directory: destination, manifest: manifest).finish()
        #expect(try folder.read("pulled/\(name)").isEmpty)
        #expect(folder.entries("pulled") == ["a"])
    }

    @Test("A file can't be the folder of another")
    func nestedNames() throws {
        for names in [["a", "a/b"], ["a", "a-b", "a/b/c"]] {
            let error = openError(try manifest(names.map { Storage(name: $0, size: 1) }))
            guard case .unsafeName(let name, _) = error else {
                Issue.record("\(names) is taken")
                return
            }
            #expect(name == names.last)
        }
    }

    @Test("A staging folder with a link in it is not followed")
    func plantedLink() throws {
        try folder.makeFolder("outside")
        try folder.makeFolder(Self.staging)
        try #require(chmod("\(folder.path)/\(Self.staging)", 0o700) == 0)
        try folder.link("\(Self.staging)/content", to: "\(folder.path)/outside")
        let manifest = try manifest([Storage(name: "a", size: 0)])
        try FolderWriter.open(directory: destination, manifest: manifest).finish()
        #expect(folder.entries("outside").isEmpty)
        #expect(folder.entries("pulled") == ["a"])
    }

    @Test("Something of somebody else's in the place of the staging folder is refused")
    func foreignStaging() throws {
        let manifest = try manifest([Storage(name: "a", size: 0)])
        try folder.makeFolder(Self.staging)
        try #require(chmod("\(folder.path)/\(Self.staging)", 0o777) == 0)
        #expect(openError(manifest) == .stagingNotOurs(path: "\(folder.path)/\(Self.staging)"))
    }
}
