import CKernels

/// The CPU's own checksum instructions, to be injected where `ChunkDigester` asks for functions.
package enum DataPlaneKernels {
    /// CRC-32C of the bytes, continuing a seed (0 to begin). Equal to `CRC32C.checksum`, many times faster. Any thread.
    package static let crc32c: @Sendable (UnsafeRawBufferPointer, UInt32) -> UInt32 = { bytes, seed in
        mx_crc32c(seed, bytes.baseAddress, bytes.count)
    }

    /// Copies the bytes and continues a CRC-32C over them as they were copied: each byte is loaded once, so it holds for the
    /// destination even while another process writes to the source. Both have the same length and don't overlap.
    package static func copy(
        _ source: UnsafeRawBufferPointer, to destination: UnsafeMutableRawBufferPointer, crc32c: UInt32
    ) -> UInt32 {
        mx_copy_crc32c(destination.baseAddress, source.baseAddress, source.count, crc32c)
    }

    /// What this CPU gets, for logs: "sse4.2+pclmul", "armv8-crc" or "portable".
    package static var crc32cImplementation: String { String(cString: mx_crc32c_implementation()) }
}
