import CLinux
import Digest
import Glibc
import Records

/// Digests of folders that were served before, one file for each in a folder of this user's alone. A damaged or foreign entry
/// counts as none; saving is best effort, since it only spares work.
///
/// Layout of an entry: `"MXDIGEST"` `version u8` `key 32` `count u32`, for each chunk `crc32c u32` `strong 32`, and at the end
/// the BLAKE2b-256 of all that.
package struct DigestCache: Sendable {
    /// Folders that are remembered; the one unused for longest goes first.
    private static let entryLimit = 64
    /// A file changed so recently may change again within the same tick of its time stamp, nanoseconds.
    private static let settlingTime: Int64 = 1_000_000_000
    private static let magic = Array("MXDIGEST".utf8) + [1]
    private static let suffix = ".digests"
    private static let chunkSize = 4 + Digest256.byteCount

    private let folder: String

    /// Everything that has to be equal for content to count as the same.
    struct Key: Sendable {
        let digest: Digest256

        init(_ folder: CheckpointFolder, digester: ChunkDigester) {
            var writer = WireWriter()
            writer.write(folder.path)
            writer.write(folder.layout.chunkSize)
            for (storage, status) in zip(folder.layout.storages, folder.statuses) {
                writer.write(storage.name)
                writer.write(status.size)
                writer.write(status.modified)
                writer.write(status.inode)
                writer.write(status.device)
            }
            digest = writer.bytes.withUnsafeBytes { digester.strong($0) }
        }
    }

    /// Makes `folder` with mode 0700 if it isn't there; its parent must be.
    ///
    /// - Throws: `unsafeCacheFolder` when others could plant digests there.
    package static func open(folder: String) throws(CheckpointError) -> DigestCache {
        guard mkdir(folder, 0o700) == 0 || mx_errno() == EEXIST else { throw .failed("make the folder", folder) }
        guard let status = FileStatus.of(folder), status.isFolder, status.isOursAlone else {
            throw .unsafeCacheFolder(path: folder)
        }
        return DigestCache(folder: folder)
    }

    /// Whether time stamps can tell a later version of these files from this one.
    static func maySave(_ statuses: [FileStatus]) -> Bool {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let settled = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec) - settlingTime
        return statuses.allSatisfy { $0.modified < settled }
    }

    func digests(for key: Key, chunkCount: Int, digester: ChunkDigester) -> [ChunkDigests]? {
        let bodySize = Self.magic.count + Digest256.byteCount + 4 + chunkCount * Self.chunkSize
        guard let file = try? OpenFile.open(path(of: key), O_RDONLY), let status = try? file.status(),
            status.isFile, status.isOursAlone, status.size == UInt64(bodySize + Digest256.byteCount),
            let bytes = try? file.bytes(at: 0, count: Int(status.size))
        else { return nil }
        let body = Array(bytes.prefix(bodySize))
        guard Digest256(bytes.suffix(Digest256.byteCount)) == body.withUnsafeBytes({ digester.strong($0) }) else {
            return nil
        }
        let digests = try? Self.decode(body, key: key)
        // The time of last use decides which entry goes first.
        if digests != nil { futimens(file.descriptor, nil) }
        return digests?.count == chunkCount ? digests : nil
    }

    func save(_ digests: [ChunkDigests], for key: Key, digester: ChunkDigester) {
        removeOldest()
        let body = Self.encode(digests, key: key)
        let bytes = body + body.withUnsafeBytes { digester.strong($0) }.bytes
        let temporary = "\(folder)/.\(getpid())-\(key.digest)"
        let descriptor = mx_open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        let isWritten = bytes.withUnsafeBytes { Self.writeAll($0, to: descriptor) }
        close(descriptor)
        if !isWritten || rename(temporary, path(of: key)) != 0 { unlink(temporary) }
    }

    private func path(of key: Key) -> String { "\(folder)/\(key.digest)\(Self.suffix)" }

    private static func encode(_ digests: [ChunkDigests], key: Key) -> [UInt8] {
        var writer = WireWriter()
        writer.append(raw: magic)
        writer.write(key.digest)
        writer.write(digests) {
            $0.write($1.crc32c)
            $0.write($1.strong)
        }
        return writer.bytes
    }

    private static func decode(_ body: [UInt8], key: Key) throws(WireError) -> [ChunkDigests] {
        var reader = WireReader(body)
        guard Array(try reader.readRaw(magic.count, "cache magic")) == magic,
            try reader.readDigest("cache key") == key.digest
        else { throw .malformed(field: "cache entry") }
        let digests = try reader.readArray("cached digests", limit: ManifestLimits.chunks) {
            (reader) throws(WireError) in
            ChunkDigests(crc32c: try reader.read("crc32c"), strong: try reader.readDigest("strong digest"))
        }
        try reader.finish()
        return digests
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            if count < 0, mx_errno() == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Makes room for one more entry.
    private func removeOldest() {
        guard let names = try? Paths.entries(of: folder, limit: ManifestLimits.files) else { return }
        let entries = names.map { "\(folder)/\(String(decoding: $0, as: UTF8.self))" }
            .filter { $0.hasSuffix(Self.suffix) }
            .map { (path: $0, used: FileStatus.of($0)?.modified ?? 0) }
            .sorted { $0.used < $1.used }
        for entry in entries.prefix(max(0, entries.count - Self.entryLimit + 1)) { unlink(entry.path) }
    }
}
