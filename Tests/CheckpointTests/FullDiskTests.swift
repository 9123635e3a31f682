import Checkpoint
import Digest
import Glibc
import Records
import Testing

@Suite("Writing to a disk that is full", .serialized)
struct FullDiskTests {
    /// Bytes of the disk that the test makes.
    private static let diskSize = 1 << 20

    /// Runs the body on a small disk in memory; says so when this user may not mount one.
    private func onSmallDisk(_ body: (TemporaryFolder, String) throws -> Void) throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("disk")
        let disk = "\(folder.path)/disk"
        guard mount("tmpfs", disk, "tmpfs", 0, "size=\(Self.diskSize)") == 0 else {
            print("skipped: a small disk can't be mounted here (\(String(cString: strerror(errno))))")
            return
        }
        defer { umount(disk) }
        try body(folder, disk)
    }

    private func manifest(size: Int) throws -> Manifest {
        let layout = try Layout(
            storages: [Storage(name: "a", size: 10), Storage(name: "b", size: UInt64(size))], chunkSize: 4096)
        return try Manifest(
            identity: SourceIdentity(model: "m", revision: "r", stage: .files), rank: 0, layout: layout, tensors: [],
            digests: [ChunkDigests](repeating: ChunkDigests(crc32c: 0, strong: .zero), count: layout.chunkCount))
    }

    @Test("A pull that doesn't fit says what it needs and what is free, before a byte is fetched, and leaves nothing")
    func tooLarge() throws {
        try onSmallDisk { folder, disk in
            let size = 4 * Self.diskSize
            do throws(CheckpointError) {
                _ = try FolderWriter.open(directory: "\(disk)/pulled", manifest: try manifestOrFail(size))
                Issue.record("it fits")
            } catch {
                guard case .noSpace(let path, let needed, let free, _) = error else {
                    Issue.record("\(error)")
                    return
                }
                #expect(path == disk)
                #expect(needed == UInt64(size + 10))
                #expect(free <= UInt64(Self.diskSize))
                #expect(error.description.contains("\(size + 10) bytes are needed in '\(disk)'"))
            }
            #expect(folder.entries("disk").isEmpty)
        }
    }

    private func manifestOrFail(_ size: Int) throws(CheckpointError) -> Manifest {
        do { return try manifest(size: size) } catch { throw .incomplete(path: "\(error)", missing: 0) }
    }

    @Test("Space that is reserved stays, whatever else is written")
    func reserved() throws {
        try onSmallDisk { folder, disk in
            let writer = try FolderWriter.open(directory: "\(disk)/pulled", manifest: manifest(size: Self.diskSize / 2))
            #expect(throws: (any Error).self) {
                try folder.write("disk/other", [UInt8](repeating: 1, count: Self.diskSize))
            }
            let layout = writer.layout
            for chunk in 0..<layout.chunkCount {
                let bytes = [UInt8](repeating: 5, count: layout.length(ofChunk: chunk))
                try bytes.withUnsafeBytes { try writer.write(chunk: chunk, bytes: $0) }
            }
            try writer.abandon()
        }
    }

    @Test("A mount point can't be a destination, and a folder inside it is proposed")
    func mountPoint() throws {
        try onSmallDisk { folder, disk in
            let manifest = try manifest(size: 10)
            #expect(throws: CheckpointError.destinationIsMount(path: disk)) {
                try FolderWriter.open(directory: disk, manifest: manifest)
            }
            #expect(folder.entries() == ["disk"])
        }
    }
}
