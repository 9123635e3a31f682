import LocalAPI
import Testing

@testable import CommandLine

struct JobRendererTests {
    private let buffer = TextBuffer()
    private let clock = TestClock()

    private func renderer(_ style: JobRenderer.Style) -> JobRenderer {
        JobRenderer(style: style, output: buffer, now: { [clock] in clock.now })
    }

    private static let source = PullSourceView(
        peer: "4f1c00112233aa", name: "a\u{1B}b", lane: "shm", bytes: 3_000_000_000, chunks: 750, failures: 1,
        note: "")
    private static let other = PullSourceView(
        peer: "beef00112233aa", name: "b", lane: "tcp", bytes: 1_000_000_000, chunks: 250, failures: 0, note: "slow")

    private static let complete = event("complete") {
        $0.model = "llama"
        $0.directory = "/models/llama"
        $0.bytes = 4_000_000_000
        $0.chunks = 1000
        $0.seconds = 0.5
        $0.gigabytesPerSecond = 8
        $0.integrity = "full"
        $0.sources = [source, other]
        $0.exitCode = 0
    }

    private static let report = """
        : llama is in /models/llama
        4.00 GB, 1000 chunks, 0.50 s, 8.00 GB/s, integrity full
        SOURCE        NAME      LANE    BYTES  SHARE  CHUNKS  FAILURES  NOTE
        4f1c00112233  a\\u{1b}b  shm   3.00 GB    75%     750         1
        beef00112233  b         tcp   1.00 GB    25%     250         0  slow

        """

    @Test("Without a terminal a pull is plain lines, one each tenth")
    func plain() {
        let renderer = renderer(.plain)
        renderer.show(event("searching") { $0.model = "llama" })
        renderer.show(
            event("found") {
                $0.totalBytes = 4_000_000_000
                $0.totalChunks = 1000
                $0.sourceCount = 2
                $0.manifest = "abcdef0123456789"
            })
        renderer.show(event("source") { $0.source = Self.source })
        for step in 0...40 {
            renderer.show(progress(UInt64(step) * 25_000_000, of: 1_000_000_000))
            clock.advance(milliseconds: 25)
        }
        renderer.show(Self.complete)
        renderer.finish()
        let lines = buffer.text.split(separator: "\n")
        #expect(
            lines.prefix(3) == [
                "searching for sources of llama",
                "found llama: 4.00 GB, 1000 chunks, 2 sources, manifest abcdef012345",
                #"source 4f1c00112233 (a\u{1b}b) over shm"#,
            ])
        #expect(lines.count == 3 + 11 + 5)
        #expect(lines[3] == "pulling llama: 1.00 GB")
        #expect(lines[4] == "pulling llama: 10% (0.10/1.00 GB, 1.00 GB/s, 1 source)")
        #expect(lines[13] == "pulling llama: 100% (1.00/1.00 GB, 1.00 GB/s, 1 source)")
        #expect(buffer.text.hasSuffix("complete" + Self.report))
        #expect(!buffer.text.contains("\u{1B}") && !buffer.text.contains("\r"))
    }

    @Test("In a terminal one line is drawn again, at most ten times a second, and taken away at the end")
    func terminal() {
        let renderer = renderer(.progressLine(Terminal(isInteractive: true, width: 100)))
        renderer.show(event("searching") { $0.model = "llama" })
        for step in 0..<100 {
            renderer.show(progress(UInt64(step) * 10_000_000, of: 1_000_000_000, sources: 4))
            clock.advance(milliseconds: 10)
        }
        let draws = buffer.text.split(separator: "\u{1B}[K\r", omittingEmptySubsequences: true)
        #expect(draws.count == 10)
        #expect(
            draws[5]
                == "\rpulling llama [==========          ] 50.0%  0.50/1.00 GB  1.00 GB/s  ETA 1 s  4 sources")
        renderer.show(Self.complete)
        #expect(buffer.text.hasSuffix("\u{1B}[K\r\r\u{1B}[Kcomplete" + Self.report))
        let before = buffer.text
        renderer.finish()
        #expect(buffer.text == before)
    }

    @Test("A failure takes the progress line away and names the model, whatever it holds")
    func failure() {
        let renderer = renderer(.progressLine(Terminal(isInteractive: true, hasColours: true)))
        renderer.show(progress(1, of: 2))
        renderer.show(event("failed") { $0.model = "a\u{1B}[2J" })
        #expect(
            buffer.text.hasSuffix("\r\u{1B}[K\u{1B}[31mfailed\u{1B}[0m: a\\u{1b}[2J\n"))
    }

    @Test("A pull that goes on counts what it had, and its speed doesn't")
    func resumed() {
        let renderer = renderer(.plain)
        renderer.show(
            event("found") {
                $0.model = "llama"
                $0.totalBytes = 1_000_000_000
                $0.totalChunks = 100
            })
        renderer.show(event("resumed") { $0.chunks = 50 })
        for _ in 0..<2 { renderer.show(event("source") { $0.source = Self.other }) }
        clock.advance(milliseconds: 1000)
        renderer.show(
            event("progress") {
                $0.bytes = 200_000_000
                $0.chunks = 70
            })
        renderer.show(
            event("complete") {
                $0.bytes = 500_000_000
                $0.totalBytes = 1_000_000_000
            })
        #expect(
            buffer.text == """
                found llama: 1.00 GB, 100 chunks
                resumed: 50 of 100 chunks are there already
                source beef00112233 (b) over tcp: slow
                source beef00112233 (b) over tcp: slow
                pulling llama: 70% (0.70/1.00 GB, 0.20 GB/s, 1 source)
                complete: llama
                500.00 MB of 1.00 GB received

                """)
    }

    @Test("A source that is used again is told once")
    func sourceAgain() {
        let renderer = renderer(.plain)
        for _ in 0..<3 { renderer.show(event("source") { $0.source = Self.source }) }
        #expect(buffer.text == "source 4f1c00112233 (a\\u{1b}b) over shm\n")
    }

    @Test("A job that ends without a last event leaves no progress line")
    func abandoned() {
        let renderer = renderer(.progressLine(Terminal(isInteractive: true)))
        renderer.show(progress(1, of: 2))
        renderer.finish()
        #expect(buffer.text.hasSuffix("\r\u{1B}[K"))
    }

    @Test("With JSON an event is one line, and progress is told ten times a second")
    func json() throws {
        let renderer = renderer(.json)
        for step in 0..<20 {
            renderer.show(progress(UInt64(step), of: 30))
            clock.advance(milliseconds: 10)
        }
        renderer.show(event("source") { $0.source = Self.source })
        renderer.show(Self.complete)
        renderer.show(
            event("progress") {
                $0.gigabytesPerSecond = .infinity
                $0.bytes = 3
            })
        renderer.finish()
        let lines = buffer.text.split(separator: "\n")
        #expect(lines.count == 5)
        #expect(lines[1] == #"{"bytes":10,"event":"progress","total_bytes":30}"#)
        #expect(try LocalJSON.decode(JobEvent.self, from: lines[3].utf8) == Self.complete)
        #expect(lines[4] == #"{"bytes":3,"event":"progress"}"#)
    }

    @Test("Serving says how others get the model")
    func serving() {
        let renderer = renderer(.plain)
        renderer.show(
            event("digesting") {
                $0.model = "llama"
                $0.bytes = 0
                $0.totalBytes = 16_000_000_000
            })
        renderer.show(
            event("serving") {
                $0.model = "llama"
                $0.revision = "main"
                $0.bytes = 16_000_000_000
                $0.manifest = "abcdef0123456789"
                $0.bootstrap = "10.0.0.1:8012"
            })
        #expect(
            buffer.text == """
                digesting llama: 16.00 GB
                serving llama (revision main), 16.00 GB, manifest abcdef012345
                others get it with: modelexpress pull llama --to FOLDER --peers 10.0.0.1:8012

                """)
    }

    @Test("A progress line fits any width, and what matters least goes first", arguments: [20, 30, 40, 60, 80, 120])
    func width(columns: Int) {
        let line = ProgressLine(
            verb: "pulling", subject: "a-model-with-a-name-that-is-rather-long-模型", done: 500_000_000_000,
            total: 1_000_000_000_000, speed: 9.81e9, sources: 12)
        let text = line.text(width: columns)
        #expect(TerminalText.width(text) <= columns)
        #expect(text.contains("50.0%"))
        #expect(text.contains("12 sources") == (columns >= 80))
    }

    @Test("The speed is that of the last seconds, and begins anew when a job does")
    func speed() {
        var meter = SpeedMeter()
        #expect(meter.bytesPerSecond == nil)
        for second in 0...20 { meter.add(bytes: UInt64(second) * 100, at: UInt64(second) * 1_000_000_000) }
        #expect(meter.bytesPerSecond == 100)
        for second in 21...30 { meter.add(bytes: 2000, at: UInt64(second) * 1_000_000_000) }
        #expect(meter.bytesPerSecond == 0)
        meter.add(bytes: 5, at: 31_000_000_000)
        #expect(meter.bytesPerSecond == nil)
    }

    @Test("Colours and redrawing depend on who watches")
    func style() {
        let terminal = Terminal(isInteractive: true, width: 5)
        #expect(terminal.width == 20)
        #expect(JobRenderer.style(json: true, terminal: terminal) == .json)
        #expect(JobRenderer.style(json: false, terminal: terminal) == .progressLine(terminal))
        #expect(JobRenderer.style(json: false, terminal: Terminal(isInteractive: false)) == .plain)
    }
}
