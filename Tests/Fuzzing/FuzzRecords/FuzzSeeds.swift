import Records

/// Small inputs to start from, for each target: valid values, and what an adversary would try first.
package enum FuzzSeeds {
    package struct Seed: Sendable {
        package let name: String
        package let bytes: [UInt8]
    }

    package static func seeds(for target: FuzzTarget) -> [Seed] {
        if target.name == "safetensors" { return safetensors }
        let valid = SampleRecords.valid(target.name).enumerated().map { Seed(name: "valid-\($0)", bytes: $1) }
        guard let first = valid.first?.bytes else { return [] }
        return valid + [
            Seed(name: "empty", bytes: []),
            Seed(name: "truncated", bytes: Array(first.prefix(first.count / 2))),
            Seed(name: "trailing", bytes: first + [0]),
            // Every count in it is the largest there is.
            Seed(name: "huge-counts", bytes: [UInt8](repeating: 0xFF, count: first.count)),
            Seed(name: "zeros", bytes: [UInt8](repeating: 0, count: first.count)),
        ]
    }

    private static func file(_ name: String, _ json: String, data: Int = 0) -> Seed {
        Seed(name: name, bytes: SafetensorsFile.file(json: json, dataSize: data))
    }

    private static func entry(_ name: String, _ type: String, _ shape: String, _ begin: Int, _ end: Int) -> String {
        "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}"
    }

    private static let safetensors: [Seed] = [
        file("valid-empty", "{}"),
        file("valid-spaces", "{\"__metadata__\":{\"format\":\"pt\"}}      "),
        file("valid-two", "{\(entry("b", "F32", "[2]", 4, 12)),\(entry("a", "BF16", "[1,2]", 0, 4))}", data: 12),
        file(
            "valid-one-byte-and-none", "{\(entry("a", "U8", "[1]", 0, 1)),\(entry("b", "F16", "[0,9]", 1, 1))}", data: 1
        ),
        file("valid-sub-byte", "{\(entry("a", "F4", "[3,2]", 0, 3)),\(entry("b", "F6_E2M3", "[4]", 3, 6))}", data: 6),
        file("valid-escapes", "{\(entry("\\u00e9\\ud83d\\ude00\\n\\/", "BOOL", "[]", 0, 1))}", data: 1),
        file(
            "valid-other-members",
            "{\"a\":{\"x\":[1.5e3,{\"y\":null}],\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", data: 1),
        Seed(name: "short-prefix", bytes: [2, 0, 0, 0]),
        Seed(name: "header-of-2-to-63", bytes: [0, 0, 0, 0, 0, 0, 0, 0x80] + Array("{}".utf8)),
        Seed(name: "header-beyond-file", bytes: [200, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)),
        file("overlap", "{\(entry("a", "U8", "[4]", 0, 4)),\(entry("b", "U8", "[4]", 2, 6))}", data: 6),
        file("hole", "{\(entry("a", "U8", "[2]", 0, 2)),\(entry("b", "U8", "[2]", 4, 6))}", data: 6),
        file("reversed", "{\(entry("a", "U8", "[2]", 2, 0))}", data: 2),
        file("beyond-data", "{\(entry("a", "U8", "[8]", 0, 8))}", data: 2),
        file("unused-data", "{\(entry("a", "U8", "[1]", 0, 1))}", data: 9),
        file("shape-overflow", "{\(entry("a", "F64", "[4294967296,4294967296]", 0, 0))}"),
        file("half-byte", "{\(entry("a", "F4", "[3]", 0, 1))}", data: 1),
        file("twice", "{\(entry("a", "U8", "[1]", 0, 1)),\(entry("a", "U8", "[1]", 1, 2))}", data: 2),
        file("twice-escaped", "{\(entry("a", "U8", "[1]", 0, 1)),\(entry("\\u0061", "U8", "[1]", 1, 2))}", data: 2),
        file("unknown-type", "{\(entry("a", "F128", "[1]", 0, 16))}", data: 16),
        file("half-surrogate", "{\"\\ud800\":1}"),
        file("deep", String(repeating: "{\"a\":", count: 64) + "1" + String(repeating: "}", count: 64)),
        file("deep-array", "{\"a\":{\"x\":" + String(repeating: "[", count: 200) + "}}"),
        file(
            "number-over-64-bits", "{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,1]}}",
            data: 1),
        file("negative", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}"),
        file("more-after-end", "{}{}"),
        Seed(name: "not-utf8", bytes: [6, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xFF] + Array("\":1".utf8)),
    ]
}
