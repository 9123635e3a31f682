/// What a safetensors file says of itself: its tensors in the order of their data, and its notes.
///
/// Layout of such a file: `count u64` little-endian, `count` bytes of JSON, data. The tensors fill the data without holes and
/// without overlap, as the reference implementation demands.
package struct SafetensorsHeader: Sendable {
    package struct Entry: Hashable, Sendable {
        package let name: String
        package let type: SafetensorsType
        package let shape: [UInt64]
        /// Bytes from the start of the data.
        package let begin: UInt64
        /// Bytes from the start of the data; the first byte after the tensor.
        package let end: UInt64
    }

    /// Bytes before the JSON.
    package static let prefixSize = 8

    package let tensors: [Entry]
    /// `__metadata__`, in the order of the file.
    package let metadata: [(key: String, value: String)]

    /// Bytes of JSON that a file's first 8 bytes announce, checked against the file's size and the format's limit.
    package static func headerSize(ofPrefix prefix: [UInt8], fileSize: UInt64) throws(SafetensorsError) -> UInt64 {
        guard prefix.count == prefixSize, fileSize >= UInt64(prefixSize) else { throw .tooShort(fileSize: fileSize) }
        let claimed = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard claimed <= SafetensorsLimits.headerSize, claimed <= fileSize - UInt64(prefixSize) else {
            throw .headerSize(claimed: claimed, fileSize: fileSize)
        }
        return claimed
    }

    /// `header` is the JSON alone, `dataSize` the bytes that follow it in the file.
    package static func parse(header: [UInt8], dataSize: UInt64) throws(SafetensorsError) -> SafetensorsHeader {
        var reader = SafetensorsHeaderReader(header)
        let (entries, metadata) = try reader.read()
        for entry in entries { try check(entry, dataSize: dataSize) }
        let tensors = entries.sorted(by: precedes)
        try checkCoverage(tensors, dataSize: dataSize)
        return SafetensorsHeader(tensors: tensors, metadata: metadata)
    }

    private static func check(_ entry: Entry, dataSize: UInt64) throws(SafetensorsError) {
        guard entry.begin <= entry.end else { throw .reversed(entry.name, begin: entry.begin, end: entry.end) }
        guard entry.end <= dataSize else { throw .beyondData(entry.name, end: entry.end, dataSize: dataSize) }
        let size = entry.end - entry.begin
        guard entry.type.byteCount(shape: entry.shape) == size else {
            throw .wrongSize(entry.name, type: entry.type.rawValue, shape: entry.shape, bytes: size)
        }
    }

    /// By place; empty tensors at one place by their names' bytes.
    private static func precedes(_ left: Entry, _ right: Entry) -> Bool {
        if left.begin != right.begin { return left.begin < right.begin }
        return left.end == right.end ? Layout.precedes(left.name, right.name) : left.end < right.end
    }

    private static func checkCoverage(_ tensors: [Entry], dataSize: UInt64) throws(SafetensorsError) {
        var position: UInt64 = 0
        for tensor in tensors {
            guard tensor.begin >= position else {
                throw .overlap(tensor.name, begin: tensor.begin, previousEnd: position)
            }
            guard tensor.begin == position else { throw .hole(tensor.name, begin: tensor.begin, previousEnd: position) }
            position = tensor.end
        }
        guard position == dataSize else { throw .unusedData(end: position, dataSize: dataSize) }
    }
}
