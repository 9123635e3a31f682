/// Integers in arrays of bytes, the least significant byte first, copied at once instead of byte by byte.
///
/// Not generic: a frame has dozens of them, and code of another room isn't specialised.
package enum LittleEndian {
    /// Appends the lowest `width` bytes: 1, 2, 4 or 8.
    package static func append(_ value: UInt64, width: Int, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0.prefix(width)) }
    }

    /// The value of `width` bytes at `offset`: 1, 2, 4 or 8. They must lie within the bytes.
    package static func load(width: Int, from bytes: [UInt8], at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset + width <= bytes.count, "a value beyond its bytes")
        return bytes.withUnsafeBytes { raw in
            switch width {
            case 1: UInt64(raw[offset])
            case 2: UInt64(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
            case 4: UInt64(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
            default: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
        }
    }
}
