import Glibc
import Telemetry
import Testing

@Suite("Telemetry")
struct TelemetryTests {
    @Test("A guarded value loses no update of several threads")
    func guarded() async {
        let sum = Guarded(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<10_000 { sum.withLock { $0 += 1 } } }
            }
        }
        #expect(sum.withLock { $0 } == 80_000)
    }

    @Test("A hostile name can't forge a log line or a field", arguments: LogFormat.allCases)
    func hostileNames(format: LogFormat) {
        let pipe = Pipe()
        let output = LogOutput(descriptor: pipe.writeEnd)
        output.configure(level: .info, format: format, program: "test")
        let hostile = "x\n2026-01-01T00:00:00.000Z error root: \"owned\" level=critical\u{2028}\u{1B}[2J\u{202E}\\"
        Log(component: "mesh", output: output).info("peer joined", [("peer.id", hostile), ("count", 3)])
        let line = pipe.read()
        #expect(line.filter { $0.isNewline }.count == 1)
        #expect(line.hasSuffix("\n"))
        let escaped = #"x\n2026-01-01T00:00:00.000Z error root: \"owned\" level=critical\u2028\u001b[2J\u202e\\"#
        switch format {
        case .text: #expect(line.hasSuffix(" info mesh: peer joined peer.id=\"\(escaped)\" count=3\n"))
        case .json:
            let start = #""level":"info","program":"test","component":"mesh","message":"peer joined","peer.id":""#
            #expect(line.hasSuffix("\(start)\(escaped)\",\"count\":3}\n"))
        }
    }

    @Test("A level that is off writes nothing and computes no fields")
    func levels() {
        let pipe = Pipe()
        let output = LogOutput(descriptor: pipe.writeEnd)
        output.configure(level: .warning, format: .text, program: "test")
        let log = Log(component: "mesh", output: output)
        func computed() -> String {
            Issue.record("a field of a line that isn't written was computed")
            return ""
        }
        log.info("not this", [("never", computed())])
        log.warning("this", [("empty", ""), ("long", String(repeating: "a", count: 5000))])
        let line = pipe.read()
        #expect(line.contains(" warning mesh: this empty=\"\" long=\"aaa"))
        #expect(line.hasSuffix("a…\"\n"))
        #expect(line.utf8.count < 2200)
    }

    @Test("Metrics are shown as Prometheus reads them")
    func exposition() {
        let metrics = Metrics()
        let reads = metrics.counter(
            "modelexpress_test_reads_total", help: "Reads.\nBy lane.", labels: [("lane", "tcp"), ("a", "\"\\\n")])
        reads.add(5)
        metrics.counter(
            "modelexpress_test_reads_total", help: "", labels: [("a", "\"\\\n"), ("lane", "tcp")]
        ).increment()
        metrics.gauge("modelexpress_test_depth", help: "Depth.").set(2.5)
        let seconds = metrics.histogram("modelexpress_test_seconds", help: "Time.", bounds: [0.1, 1])
        for value in [0.1, 0.5, 3] { seconds.observe(value) }
        #expect(
            metrics.exposition() == #"""
                # HELP modelexpress_metrics_series_refused_total Label combinations over the bound for their metric, which are not shown.
                # TYPE modelexpress_metrics_series_refused_total counter
                modelexpress_metrics_series_refused_total 0
                # HELP modelexpress_test_depth Depth.
                # TYPE modelexpress_test_depth gauge
                modelexpress_test_depth 2.5
                # HELP modelexpress_test_reads_total Reads.\nBy lane.
                # TYPE modelexpress_test_reads_total counter
                modelexpress_test_reads_total{a="\"\\\n",lane="tcp"} 6
                # HELP modelexpress_test_seconds Time.
                # TYPE modelexpress_test_seconds histogram
                modelexpress_test_seconds_bucket{le="0.1"} 1
                modelexpress_test_seconds_bucket{le="1"} 2
                modelexpress_test_seconds_bucket{le="+Inf"} 3
                modelexpress_test_seconds_sum 3.6
                modelexpress_test_seconds_count 3

                """#)
    }

    @Test("A metric shows a bounded number of label combinations")
    func boundedSeries() {
        let metrics = Metrics()
        for number in 0..<Metrics.maximumSeriesPerName + 3 {
            metrics.counter("modelexpress_test_total", help: "", labels: [("n", "\(number)")]).increment()
        }
        let text = metrics.exposition()
        let shown = text.split(separator: "\n").filter { $0.hasPrefix("modelexpress_test_total{") }
        #expect(shown.count == Metrics.maximumSeriesPerName)
        #expect(text.contains("modelexpress_metrics_series_refused_total 3\n"))
    }

    @Test("The process knows its own resident memory")
    func memory() throws {
        let memory = try #require(ProcessMemory.current())
        #expect(memory.anonymous > 100_000)
        #expect(memory.file > 100_000)
        let metrics = Metrics()
        ProcessMemory.register(in: metrics)
        #expect(metrics.exposition().contains("modelexpress_process_resident_bytes{kind=\"anonymous\"} "))
    }
}
