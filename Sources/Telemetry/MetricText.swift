/// What a family of series is to Prometheus.
enum MetricKind: String {
    case counter
    case gauge
    case histogram
}

/// One label of a series.
struct MetricLabel: Hashable {
    var name: String
    var value: String
}

/// Where a series' value is.
enum MetricSeries: Sendable {
    case counter(Counter)
    case gauge(Gauge)
    case computed(@Sendable () -> Double)
    case histogram(Histogram)
}

/// All series of one name.
struct MetricFamily {
    var kind: MetricKind
    var help: String
    var series: [[MetricLabel]: MetricSeries] = [:]

    func exposition(name: String) -> String {
        var text = "# HELP \(name) \(MetricText.helpEscaped(help))\n# TYPE \(name) \(kind.rawValue)\n"
        let sorted = series.map { (MetricText.labels($0.key), $0.value) }.sorted { $0.0 < $1.0 }
        for (labels, series) in sorted {
            text += Self.lines(name: name, labels: labels, series: series)
        }
        return text
    }

    private static func lines(name: String, labels: String, series: MetricSeries) -> String {
        switch series {
        case .counter(let counter): MetricText.line(name, labels, String(counter.value))
        case .gauge(let gauge): MetricText.line(name, labels, MetricText.number(gauge.value))
        case .computed(let read): MetricText.line(name, labels, MetricText.number(read()))
        case .histogram(let histogram): lines(name: name, labels: labels, histogram: histogram)
        }
    }

    /// Buckets count all values up to their bound, so each includes those before it.
    private static func lines(name: String, labels: String, histogram: Histogram) -> String {
        let state = histogram.snapshot()
        var text = ""
        var total: UInt64 = 0
        for (bound, count) in zip(histogram.bounds + [.infinity], state.counts) {
            total += count
            let bucket = MetricText.joined(labels, "le=\"\(MetricText.number(bound))\"")
            text += MetricText.line("\(name)_bucket", bucket, String(total))
        }
        text += MetricText.line("\(name)_sum", labels, MetricText.number(state.sum))
        return text + MetricText.line("\(name)_count", labels, String(total))
    }
}

/// The pieces of Prometheus's text format.
enum MetricText {
    /// ASCII letters, digits and underscores, not beginning with a digit. Colons are for recording rules only.
    static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !isDigit(first) else { return false }
        return name.utf8.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "_") }
    }

    static func line(_ name: String, _ labels: String, _ value: String) -> String {
        labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    static func labels(_ labels: [MetricLabel]) -> String {
        labels.map { "\($0.name)=\"\(valueEscaped($0.value))\"" }.joined(separator: ",")
    }

    static func joined(_ labels: String, _ label: String) -> String {
        labels.isEmpty ? label : "\(labels),\(label)"
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return value.description
    }

    static func helpEscaped(_ text: String) -> String { escaped(text, quotes: false) }

    private static func valueEscaped(_ text: String) -> String { escaped(text, quotes: true) }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}
