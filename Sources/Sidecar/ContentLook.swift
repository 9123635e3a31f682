import Digest
import Glibc
import Records
import Transfer

/// Digests a chunk of served content as a reader would get it.
enum ContentLook {
    /// Whether the chunk has these digests; false also when it can't be read. Blocks.
    static func isRight(
        _ content: any StorageContent, chunk: Int, _ expected: ChunkDigests, digester: ChunkDigester
    ) -> Bool {
        let length = content.layout.length(ofChunk: chunk)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: Int(getpagesize()))
        defer { buffer.deallocate() }
        var filled = 0
        for extent in content.extents(ofChunk: chunk) {
            let descriptor = content.readDescriptor(forStorage: extent.storage)
            var done = 0
            while done < extent.length {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[(filled + done)..<(filled + extent.length)])
                let count = pread(descriptor, rest.baseAddress, rest.count, off_t(extent.offset) + off_t(done))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            filled += extent.length
        }
        return digester.digests(of: UnsafeRawBufferPointer(buffer)) == expected
    }
}
