import LocalAPI
import Testing

@testable import CommandLine

struct TextTests {
    @Test("What steers a terminal or misleads a reader is written out")
    func escaping() {
        #expect(TerminalText.escaped("a\u{1B}[31mred\u{7}") == #"a\u{1b}[31mred\u{7}"#)
        #expect(TerminalText.escaped("a\r\nb\tc") == #"a\r\nb\tc"#)
        #expect(TerminalText.escaped("\u{9B}2J\u{202E}x\u{200B}\u{2028}") == #"\u{9b}2J\u{202e}x\u{200b}\u{2028}"#)
        #expect(TerminalText.escaped("Löwe 模型 🦙") == "Löwe 模型 🦙")
    }

    @Test("Text is cut by columns, not by characters")
    func cutting() {
        #expect(TerminalText.escaped("abcdef", width: 6) == "abcdef")
        #expect(TerminalText.escaped("abcdefg", width: 6) == "abcde…")
        #expect(TerminalText.escaped("模型模型", width: 6) == "模型…")
        #expect(TerminalText.width("模型a") == 5)
        #expect(TerminalText.width("e\u{301}") == 1)
    }

    @Test("Columns line up whatever the cells hold")
    func table() {
        var table = TextTable([.init("NAME", limit: 10), .init("BYTES", .right), .init("END")])
        table.add(["模型", "1", "x"])
        table.add(["a\u{1B}[2J", "12345678", ""])
        table.add(["a name too long", "", "y"])
        #expect(
            table.text == """
                NAME           BYTES  END
                模型               1  x
                a\\u{1b}[2J  12345678
                a name to…            y

                """)
    }

    @Test(
        "Sizes are in powers of ten",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (45_600_000, "45.60 MB"), (1_230_000_000, "1.23 GB"),
            (16_000_000_000_000, "16.00 TB"),
        ] as [(UInt64, String)])
    func bytes(count: UInt64, text: String) { #expect(QuantityText.bytes(count) == text) }

    @Test("Shares are never rounded up to all")
    func percent() {
        #expect(QuantityText.percent(9999, of: 10_000) == "99.9%")
        #expect(QuantityText.percent(0, of: 3) == "0.0%")
        #expect(QuantityText.percent(3, of: 3) == "100%")
        #expect(QuantityText.percent(0, of: 0) == "100%")
    }

    @Test(
        "Durations are as long as people need them",
        arguments: [
            (0, "0 s"), (59.4, "59 s"), (125, "2 min 5 s"), (12_000, "3 h 20 min"), (612_000, "7 d 2 h"), (-1, "-"),
            (.infinity, "-"), (.nan, "-"),
        ] as [(Double, String)])
    func durations(seconds: Double, text: String) { #expect(QuantityText.duration(seconds: seconds) == text) }

    @Test("Numbers have the decimals asked for")
    func fixed() {
        #expect(QuantityText.fixed(0.005, 1) == "0.0")
        #expect(QuantityText.fixed(1.005, 0) == "1")
        #expect(QuantityText.fixed(-0.01, 1) == "0.0")
        #expect(QuantityText.fixed(-2.25, 1) == "-2.3")
        #expect(QuantityText.rate(gigabytesPerSecond: 9.807) == "9.81 GB/s")
        #expect(QuantityText.rate(gigabytesPerSecond: 0.0432) == "43.20 MB/s")
        #expect(QuantityText.rate(gigabytesPerSecond: .infinity) == "- GB/s")
    }
}
