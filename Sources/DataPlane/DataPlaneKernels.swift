import CKernels

/// The CPU's own checksum instructions, to be injected where `ChunkDigester` asks for functions.
package enum DataPlaneKernels {
    /// CRC-32C of the bytes, continuing a seed (0 to begin). Equal to `CRC32C.checksum`, many times faster. Any thread.
    package static let crc32c: @Sendable (UnsafeRawBufferPointer, UInt32) -> UInt32 = { bytes, seed in
        mx_crc32c(seed, bytes.baseAddress, bytes.count)
    }

    /// What this CPU gets, for logs: "sse4.2+pclmul", "armv8-crc" or "portable".
    package static var crc32cImplementation: String { String(cString: mx_crc32c_implementation()) }
}
