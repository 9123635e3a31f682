import CLinux
import Digest
import Glibc
import Records
import Telemetry

/// Which chunks of which manifest a staging folder holds, so that a pull that was killed needn't begin anew. A hint, never
/// proof: whoever resumes digests those chunks again. Hence nothing in it is synced, and a torn end is cut off.
///
/// Layout: the manifest's id, 32 bytes; then the index of each finished chunk, `u32` little-endian.
struct ResumeLog: Sendable {
    private static let headSize = Digest256.byteCount
    private static let entrySize = MemoryLayout<UInt32>.size

    private let file: OpenFile
    /// Bytes of whole entries, and of the head.
    private var size: Int

    /// The chunks that the log of `staging` names for `manifest`; nil when it is of another manifest, or there is none.
    static func chunks(in staging: OpenFile, manifest: ManifestID, chunkCount: Int) throws(CheckpointError) -> ChunkSet?
    {
        guard faccessat(staging.descriptor, StagingFolder.logName, F_OK, 0) == 0 else { return nil }
        let file = try staging.open(StagingFolder.logName, O_RDONLY)
        let longest = headSize + chunkCount * entrySize
        let bytes = try file.bytes(at: 0, count: min(longest, Int(try file.status().size)))
        guard Array(bytes.prefix(headSize)) == manifest.bytes else { return nil }
        var chunks = ChunkSet(chunkCount: chunkCount)
        for start in stride(from: headSize, through: bytes.count - entrySize, by: entrySize) {
            chunks.insert(bytes[start..<start + entrySize].reversed().reduce(0) { $0 << 8 | Int($1) })
        }
        return chunks
    }

    /// Begins the log anew with what is known to be there.
    init(in staging: OpenFile, manifest: ManifestID, chunks: ChunkSet) throws(CheckpointError) {
        file = try staging.open(StagingFolder.logName, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, mode: 0o600)
        var writer = WireWriter()
        writer.append(raw: manifest.bytes)
        for chunk in chunks.elements { writer.write(UInt32(chunk)) }
        guard Self.append(writer.bytes, to: file) else { throw .failed("write", file.path) }
        size = writer.bytes.count
    }

    /// Best effort: a chunk that is missing here is fetched again. What was written of it in part is cut off, or every later
    /// entry would be read in the wrong place. Blocks.
    mutating func append(_ chunks: [Int]) {
        var writer = WireWriter()
        for chunk in chunks { writer.write(UInt32(chunk)) }
        if Self.append(writer.bytes, to: file) {
            size += writer.bytes.count
        } else {
            ftruncate(file.descriptor, off_t(size))
        }
    }

    private static func append(_ bytes: [UInt8], to file: OpenFile) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = write(file.descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                if count < 0, mx_errno() == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }
}
