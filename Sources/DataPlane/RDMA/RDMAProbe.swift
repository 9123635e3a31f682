/// Where the first read of each rail goes: one byte, a place for each.
final class RDMAProbe {
    static let id: UInt64 = 0
    private static let size = 64

    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: size)

    deinit { bytes.deallocate() }

    func segment(_ rail: Int) -> RDMASchedule.Segment {
        let start = UInt64(UInt(bitPattern: bytes.baseAddress))
        return RDMASchedule.Segment(
            read: 0, local: start + UInt64(rail % Self.size), region: 0, remote: 0, length: 1)
    }
}
