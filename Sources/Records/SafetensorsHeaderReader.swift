/// Takes the entries out of a header's JSON. What they say of each other is judged by `SafetensorsHeader`.
struct SafetensorsHeaderReader {
    private typealias Entry = SafetensorsHeader.Entry
    private static let metadataKey = "__metadata__"

    private var scanner: JSONScanner
    private let startsWithBrace: Bool
    /// Names as bytes: Swift's strings take different bytes for equal when Unicode does.
    private var names: Set<[UInt8]> = []

    init(_ header: [UInt8]) {
        scanner = JSONScanner(header)
        startsWithBrace = header.first == UInt8(ascii: "{")
    }

    mutating func read() throws(SafetensorsError) -> (
        entries: [SafetensorsHeader.Entry], metadata: [(key: String, value: String)]
    ) {
        var entries: [Entry] = []
        var metadata: [(key: String, value: String)] = []
        try beginHeader()
        while let name = try nextName() {
            if name == Self.metadataKey {
                metadata = try readMetadata()
            } else {
                guard entries.count < ManifestLimits.tensors else {
                    throw .tooManyTensors(limit: ManifestLimits.tensors)
                }
                entries.append(try readEntry(name))
            }
        }
        return (entries, metadata)
    }

    private mutating func beginHeader() throws(SafetensorsError) {
        guard startsWithBrace else { throw .malformedHeader(scanner.error("expected '{'")) }
        do throws(JSONError) { try scanner.beginObject() } catch { throw .malformedHeader(error) }
    }

    private mutating func nextName() throws(SafetensorsError) -> String? {
        let name: String?
        do throws(JSONError) {
            name = try scanner.nextKey()
            if name == nil { try scanner.finish() }
        } catch { throw .malformedHeader(error) }
        guard let name else { return nil }
        guard name.utf8.count <= WireLimits.name else { throw .nameTooLong(name) }
        guard names.insert(Array(name.utf8)).inserted else { throw .duplicateName(name) }
        return name
    }

    private mutating func readMetadata() throws(SafetensorsError) -> [(key: String, value: String)] {
        var notes: [(key: String, value: String)] = []
        do throws(JSONError) {
            try scanner.beginObject()
            while let key = try scanner.nextKey() { notes.append((key, try scanner.readString())) }
        } catch { throw .malformedHeader(error) }
        return notes
    }

    private mutating func readEntry(_ name: String) throws(SafetensorsError) -> SafetensorsHeader.Entry {
        var fields = Fields()
        do throws(JSONError) {
            try scanner.beginObject()
            while let key = try scanner.nextKey() { try fields.read(key, from: &scanner) }
            guard fields.isComplete else { throw scanner.error("dtype, shape or data_offsets is missing") }
        } catch { throw .malformedTensor(name, error) }
        guard fields.shape.count <= ManifestLimits.dimensions else {
            throw .tooManyDimensions(name, limit: ManifestLimits.dimensions)
        }
        guard let type = SafetensorsType(rawValue: fields.type) else { throw .unknownType(name, type: fields.type) }
        return Entry(name: name, type: type, shape: fields.shape, begin: fields.offsets[0], end: fields.offsets[1])
    }

    /// The members of one entry as they come; each may come once, others are read over as the reference does.
    private struct Fields {
        private var foundType: String?
        private var foundShape: [UInt64]?
        private var foundOffsets: [UInt64]?

        var isComplete: Bool { foundType != nil && foundShape != nil && foundOffsets != nil }
        var type: String { foundType ?? "" }
        var shape: [UInt64] { foundShape ?? [] }
        var offsets: [UInt64] { foundOffsets ?? [] }

        mutating func read(_ key: String, from scanner: inout JSONScanner) throws(JSONError) {
            switch key {
            case "dtype":
                guard foundType == nil else { throw scanner.error("dtype comes twice") }
                foundType = try scanner.readString()
            case "shape":
                guard foundShape == nil else { throw scanner.error("shape comes twice") }
                foundShape = try Self.readNumbers(limit: ManifestLimits.dimensions + 1, from: &scanner)
            case "data_offsets":
                guard foundOffsets == nil else { throw scanner.error("data_offsets comes twice") }
                let offsets = try Self.readNumbers(limit: 2, from: &scanner)
                guard offsets.count == 2 else { throw scanner.error("data_offsets needs two numbers") }
                foundOffsets = offsets
            default: try scanner.skipValue()
            }
        }

        private static func readNumbers(limit: Int, from scanner: inout JSONScanner) throws(JSONError) -> [UInt64] {
            var numbers: [UInt64] = []
            try scanner.beginArray()
            while try scanner.nextElement() {
                guard numbers.count < limit else { throw scanner.error("more numbers than \(limit)") }
                numbers.append(try scanner.readUInt64())
            }
            return numbers
        }
    }
}
