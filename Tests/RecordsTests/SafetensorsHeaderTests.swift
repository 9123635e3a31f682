import Records
import Testing

@Suite("Safetensors headers")
struct SafetensorsHeaderTests {
    private static func parse(_ json: String, data: UInt64) throws -> SafetensorsHeader {
        try SafetensorsHeader.parse(header: Array(json.utf8), dataSize: data)
    }

    private static func entry(_ name: String, _ type: String, _ shape: String, _ begin: UInt64, _ end: UInt64) -> String
    {
        "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}"
    }

    @Test("Tensors come in the order of their data, whatever the order of the text")
    func order() throws {
        let json = "{\(Self.entry("late", "F32", "[2]", 4, 12)),\(Self.entry("early", "BF16", "[1, 2]", 0, 4))}   "
        let header = try Self.parse(json, data: 12)
        #expect(header.tensors.map(\.name) == ["early", "late"])
        #expect(header.tensors.map(\.type) == [.bf16, .f32])
        #expect(header.tensors.map(\.shape) == [[1, 2], [2]])
        #expect(header.tensors.map(\.begin) == [0, 4])
        #expect(header.tensors.map(\.end) == [4, 12])
    }

    @Test("Metadata is kept in the order of the file")
    func metadata() throws {
        let header = try Self.parse(#"{"__metadata__":{"z":"1","a":"\u00e9\ud83d\ude00"}}"#, data: 0)
        #expect(header.metadata.map(\.key) == ["z", "a"])
        #expect(header.metadata.map(\.value) == ["1", "é😀"])
    }

    @Test("Scalars, empty tensors and tensors of one byte are fine")
    func smallTensors() throws {
        let entries = [
            Self.entry("scalar", "F64", "[]", 0, 8), Self.entry("none", "F32", "[0,7]", 8, 8),
            Self.entry("byte", "BOOL", "[1]", 8, 9), Self.entry("also-none", "U8", "[0]", 9, 9),
        ]
        let header = try Self.parse("{\(entries.joined(separator: ","))}", data: 9)
        #expect(header.tensors.map(\.name) == ["scalar", "none", "byte", "also-none"])
    }

    @Test("Every element type has its size", arguments: SafetensorsType.allCases)
    func types(type: SafetensorsType) throws {
        let json = "{\(Self.entry("t", type.rawValue, "[2,4]", 0, type.bits))}"
        #expect(try Self.parse(json, data: type.bits).tensors.first?.type == type)
        #expect(throws: SafetensorsError.self) {
            try Self.parse("{\(Self.entry("t", type.rawValue, "[2,4]", 0, type.bits + 1))}", data: type.bits + 1)
        }
    }

    @Test("A header that claims 2^63 bytes is refused with what it claims and what there is")
    func hugeHeader() {
        let error = #expect(throws: SafetensorsError.self) {
            try SafetensorsHeader.headerSize(ofPrefix: [0, 0, 0, 0, 0, 0, 0, 0x80], fileSize: 4096)
        }
        #expect(error == .headerSize(claimed: 1 << 63, fileSize: 4096))
        #expect(error?.description.contains("claims 9223372036854775808 bytes; the file has 4096") == true)
    }

    @Test(
        "The size of a header is bounded by the file and by the format",
        arguments: [
            (UInt64(92), UInt64(100), true), (93, 100, false), (100_000_000, 200_000_000, true),
            (100_000_001, 200_000_000, false),
        ])
    func headerSizes(claimed: UInt64, fileSize: UInt64, isFine: Bool) {
        let prefix = (0..<8).map { UInt8(truncatingIfNeeded: claimed >> UInt64(8 * $0)) }
        let size = try? SafetensorsHeader.headerSize(ofPrefix: prefix, fileSize: fileSize)
        #expect(size == (isFine ? claimed : nil))
    }

    @Test("A file of less than 8 bytes is refused")
    func tooShort() {
        #expect(throws: SafetensorsError.tooShort(fileSize: 7)) {
            try SafetensorsHeader.headerSize(ofPrefix: [0, 0, 0, 0, 0, 0, 0], fileSize: 7)
        }
    }

    private static let offsetCases: [(String, UInt64, SafetensorsError)] = [
        ("{\(entry("a", "U8", "[2]", 2, 0))}", 2, .reversed("a", begin: 2, end: 0)),
        ("{\(entry("a", "U8", "[8]", 0, 8))}", 7, .beyondData("a", end: 8, dataSize: 7)),
        ("{\(entry("a", "U8", "[18446744073709551615]", 0, .max))}", 7, .beyondData("a", end: .max, dataSize: 7)),
        (
            "{\(entry("a", "U8", "[4]", 0, 4)),\(entry("b", "U8", "[4]", 2, 6))}", 6,
            .overlap("b", begin: 2, previousEnd: 4)
        ),
        (
            "{\(entry("a", "U8", "[4]", 0, 4)),\(entry("b", "U8", "[0]", 2, 2))}", 4,
            .overlap("b", begin: 2, previousEnd: 4)
        ),
        (
            "{\(entry("a", "U8", "[2]", 0, 2)),\(entry("b", "U8", "[2]", 4, 6))}", 6,
            .hole("b", begin: 4, previousEnd: 2)
        ),
        ("{\(entry("a", "U8", "[2]", 2, 4))}", 4, .hole("a", begin: 2, previousEnd: 0)),
        ("{\(entry("a", "U8", "[2]", 0, 2))}", 4, .unusedData(end: 2, dataSize: 4)),
        ("{}", 1, .unusedData(end: 0, dataSize: 1)),
        ("{\(entry("a", "F32", "[2]", 0, 4))}", 4, .wrongSize("a", type: "F32", shape: [2], bytes: 4)),
        ("{\(entry("a", "F4", "[3]", 0, 1))}", 1, .wrongSize("a", type: "F4", shape: [3], bytes: 1)),
        (
            "{\(entry("a", "F32", "[4294967296,4294967296]", 0, 0))}", 0,
            .wrongSize("a", type: "F32", shape: [1 << 32, 1 << 32], bytes: 0)
        ),
        ("{\(entry("a", "F128", "[1]", 0, 16))}", 16, .unknownType("a", type: "F128")),
    ]

    @Test("Offsets that don't fill the data exactly are refused by the tensor's name", arguments: offsetCases)
    func offsets(json: String, data: UInt64, expected: SafetensorsError) {
        #expect(throws: expected) { try Self.parse(json, data: data) }
        if case .unusedData = expected { return }
        #expect(expected.description.contains("'a'") || expected.description.contains("'b'"))
    }

    @Test("A name that comes twice is refused, also when it is written with an escape")
    func duplicates() {
        for second in ["a", "\\u0061"] {
            let json = "{\(Self.entry("a", "U8", "[0]", 0, 0)),\(Self.entry(second, "U8", "[0]", 0, 0))}"
            #expect(throws: SafetensorsError.duplicateName("a")) { try Self.parse(json, data: 0) }
        }
    }

    @Test("Names that only Unicode takes for equal are two names")
    func composedNames() throws {
        let json = "{\(Self.entry("\u{E9}", "U8", "[0]", 0, 0)),\(Self.entry("e\u{301}", "U8", "[0]", 0, 0))}"
        #expect(try Self.parse(json, data: 0).tensors.count == 2)
    }

    @Test("A name over the wire's limit is refused")
    func longName() {
        let name = String(repeating: "n", count: WireLimits.name + 1)
        #expect(throws: SafetensorsError.nameTooLong(name)) {
            try Self.parse("{\(Self.entry(name, "U8", "[0]", 0, 0))}", data: 0)
        }
    }

    @Test("Control characters of a name don't reach the terminal")
    func quoting() {
        #expect("\(Quoted("a\u{1B}[2J\n"))" == #"'a\u{1B}[2J\n'"#)
    }

    @Test("A header of 10 MB parses, and says the same as its text")
    func largeHeader() throws {
        var text = Array("{".utf8)
        var count: UInt64 = 0
        while text.count < 10_000_000 {
            let name = "model.layers.\(count).self_attn.some_projection_with_a_long_name.weight"
            text += Array("\(count == 0 ? "" : ",")\(Self.entry(name, "BF16", "[1]", count * 2, count * 2 + 2))".utf8)
            count += 1
        }
        text.append(UInt8(ascii: "}"))
        let header = try SafetensorsHeader.parse(header: text, dataSize: count * 2)
        #expect(header.tensors.count == Int(count))
        #expect(header.tensors.last?.end == count * 2)
    }
}
