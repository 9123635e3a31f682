/// How the content of a chunk is digested: the functions are injected, so that shells use the CPU's instructions and
/// libsodium while pure logic, tests and the simulator use `portable`. All implementations give equal results.
package struct ChunkDigester: Sendable {
    /// CRC-32C of the bytes, continuing a seed (0 to begin).
    package let crc32c: @Sendable (UnsafeRawBufferPointer, UInt32) -> UInt32
    /// BLAKE2b-256 of the bytes.
    package let strong: @Sendable (UnsafeRawBufferPointer) -> Digest256
    /// The same of bytes that lie in several places, in order.
    package let strongOfParts: @Sendable ([UnsafeRawBufferPointer]) -> Digest256

    /// - Parameter strongOfParts: nil takes a copy of the parts end to end, and digests that.
    package init(
        crc32c: @escaping @Sendable (UnsafeRawBufferPointer, UInt32) -> UInt32,
        strong: @escaping @Sendable (UnsafeRawBufferPointer) -> Digest256,
        strongOfParts: (@Sendable ([UnsafeRawBufferPointer]) -> Digest256)? = nil
    ) {
        self.crc32c = crc32c
        self.strong = strong
        self.strongOfParts =
            strongOfParts ?? { parts in
                if parts.count == 1 { return strong(parts[0]) }
                return parts.flatMap(Array.init).withUnsafeBytes { strong($0) }
            }
    }

    package static let portable = ChunkDigester(
        crc32c: { CRC32C.checksum($0, seed: $1) }, strong: { BLAKE2b.digest(of: $0) })

    package func digests(of bytes: UnsafeRawBufferPointer) -> ChunkDigests {
        ChunkDigests(crc32c: crc32c(bytes, 0), strong: strong(bytes))
    }
}

/// The two digests of one chunk, as the manifest holds them.
package struct ChunkDigests: Hashable, Sendable {
    package let crc32c: UInt32
    package let strong: Digest256

    package init(crc32c: UInt32, strong: Digest256) {
        self.crc32c = crc32c
        self.strong = strong
    }
}
