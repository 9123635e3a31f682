/// CRC-32C (Castagnoli), the checksum of each chunk: it decides at once whether a read arrived whole.
///
/// Portable slicing-by-8 with the reflected polynomial 0x82F63B78 (RFC 3720, appendix B.4); shells inject a faster one.
package enum CRC32C {
    /// Continues `seed` (0 to begin) over `bytes`; `checksum(a + b) == checksum(b, seed: checksum(a))`.
    package static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        var crc = ~seed
        var offset = 0
        while offset + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian ^ UInt64(crc)
            crc = 0
            for index in 0..<8 {
                let byte = Int(truncatingIfNeeded: word >> UInt64(8 * index)) & 0xFF
                crc ^= tables[7 - index][byte]
            }
            offset += 8
        }
        while offset < bytes.count {
            crc = tables[0][Int((crc ^ UInt32(bytes[offset])) & 0xFF)] ^ (crc >> 8)
            offset += 1
        }
        return ~crc
    }

    private static let tables: [[UInt32]] = {
        var tables = [[UInt32]](repeating: [UInt32](repeating: 0, count: 256), count: 8)
        for index in 0..<256 {
            var crc = UInt32(index)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
            tables[0][index] = crc
        }
        for slice in 1..<8 {
            for index in 0..<256 {
                let previous = tables[slice - 1][index]
                tables[slice][index] = tables[0][Int(previous & 0xFF)] ^ (previous >> 8)
            }
        }
        return tables
    }()
}
