/// The element types of the safetensors format. The raw value is the word in the header.
package enum SafetensorsType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case f4 = "F4"
    case f6E2M3 = "F6_E2M3"
    case f6E3M2 = "F6_E3M2"
    case u8 = "U8"
    case i8 = "I8"
    case f8E5M2 = "F8_E5M2"
    case f8E4M3 = "F8_E4M3"
    case f8E5M2FNUZ = "F8_E5M2FNUZ"
    case f8E4M3FNUZ = "F8_E4M3FNUZ"
    case f8E8M0 = "F8_E8M0"
    case i16 = "I16"
    case u16 = "U16"
    case f16 = "F16"
    case bf16 = "BF16"
    case i32 = "I32"
    case u32 = "U32"
    case f32 = "F32"
    case i64 = "I64"
    case u64 = "U64"
    case f64 = "F64"
    case c64 = "C64"

    /// Bits of one element.
    package var bits: UInt64 {
        switch self {
        case .f4: 4
        case .f6E2M3, .f6E3M2: 6
        case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E5M2FNUZ, .f8E4M3FNUZ, .f8E8M0: 8
        case .i16, .u16, .f16, .bf16: 16
        case .i32, .u32, .f32: 32
        case .i64, .u64, .f64, .c64: 64
        }
    }

    /// Bytes of a tensor of this shape; nil when that is no whole number of bytes or over 64 bits.
    package func byteCount(shape: [UInt64]) -> UInt64? {
        var total: UInt64 = 1
        for factor in shape + [bits] {
            let (product, overflow) = total.multipliedReportingOverflow(by: factor)
            guard !overflow else { return nil }
            total = product
        }
        return total % 8 == 0 ? total / 8 : nil
    }
}
