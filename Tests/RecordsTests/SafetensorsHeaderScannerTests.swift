import Records
import Testing

@Suite("The JSON of safetensors headers and indexes")
struct SafetensorsHeaderScannerTests {
    private static func skip(_ text: String) throws(JSONError) {
        var scanner = JSONScanner(Array(text.utf8))
        try scanner.skipValue()
        try scanner.finish()
    }

    private static func string(_ bytes: [UInt8]) throws(JSONError) -> String {
        var scanner = JSONScanner(bytes)
        let text = try scanner.readString()
        try scanner.finish()
        return text
    }

    @Test(
        "JSON of every kind is read over",
        arguments: [
            "0", "-1.5e+3", "1E9", "true", "false", "null", "[]", "[1,[2,{}]]", " {\"a\" : [1 , 2] , \"b\":{}} \r\n\t",
            "\"\\\"\"",
        ])
    func valid(text: String) { #expect(throws: Never.self) { try Self.skip(text) } }

    @Test(
        "What is not JSON is refused",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{,}", "[,1]", "01", "-", "1.", "1e", ".5",
            "+1", "tru",
            "nulll", "\"a", "\"\\x\"", "\"\\u12\"", "\"\n\"", "1 2", "[1}", "{\"a\":1]", "NaN", "'a'", "\u{FEFF}1",
        ])
    func invalid(text: String) { #expect(throws: JSONError.self) { try Self.skip(text) } }

    @Test(
        "Escapes become what they stand for",
        arguments: [
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u0041\u00E9\u20ac""#, "Aé€"),
            (#""\uD83D\uDE00!""#, "😀!"),
            (#""\u0000""#, "\u{0}"),
        ])
    func escapes(text: String, expected: String) throws { #expect(try Self.string(Array(text.utf8)) == expected) }

    @Test(
        "Half of a surrogate pair is refused",
        arguments: [
            #""\ud800""#, #""\udc00""#, #""\ud800\ud800""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\u0041""#,
        ])
    func halfSurrogates(text: String) { #expect(throws: JSONError.self) { try Self.string(Array(text.utf8)) } }

    @Test(
        "Strings that are not UTF-8 are refused",
        arguments: [
            [UInt8(0xFF)], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
        ])
    func invalidText(bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try Self.string([0x22] + bytes + [0x22]) }
        #expect(throws: JSONError.self) { try Self.string([0x22, 0x5C, 0x6E] + bytes + [0x22]) }
    }

    @Test("Whole numbers are read up to 64 bits and no further")
    func numbers() throws {
        for (text, expected) in [("0", 0), ("18446744073709551615", UInt64.max)] {
            var scanner = JSONScanner(Array(text.utf8))
            #expect(try scanner.readUInt64() == expected)
        }
        for text in ["18446744073709551616", "99999999999999999999", "-1", "1.0", "1e3", "007", "", "x"] {
            #expect(throws: JSONError.self) {
                var scanner = JSONScanner(Array(text.utf8))
                _ = try scanner.readUInt64()
            }
        }
    }

    @Test("Nesting is bounded")
    func depth() {
        let limit = JSONScanner.depthLimit
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = open == "[" ? "" : "1"
            let fits = String(repeating: open, count: limit) + inner + String(repeating: close, count: limit)
            #expect(throws: Never.self) { try Self.skip(fits) }
            #expect(throws: JSONError.self) { try Self.skip(open + fits + close) }
        }
        #expect(throws: JSONError.self) { try Self.skip(String(repeating: "[", count: 1_000_000)) }
    }

    @Test("An error says where")
    func place() {
        let error = #expect(throws: JSONError.self) { try Self.skip("[1, x]") }
        #expect(error?.offset == 4)
        #expect(error?.description == "expected a value at byte 4")
    }
}
