import FoundationEssentials
import Records

/// A fleet owner's question, and how it is answered: by one run of the simulation.
package struct Plan {
    package let distribution: Distribution
    package let seed: UInt64

    /// Up to so many replicas everybody knows everybody.
    static let wholeView = 64
    /// In larger fleets, of how many sources a replica is told, and of how many others that want the same: a snapshot's
    /// `snapshotSources` and `snapshotContacts`.
    static let knownOthers = 32
    /// Chunks that all replicas bring in one run, at most: about what takes ten seconds.
    private static let budget = 96_000

    package init(distribution: Distribution, seed: UInt64) {
        self.distribution = distribution
        self.seed = seed
    }

    /// So many that a run takes seconds: with fewer, relays have less to pass on, and times are a little too long.
    static func chunks(forReplicas replicas: Int) -> Int { max(64, min(512, budget / max(replicas, 1))) }

    package func answer() throws -> PlanAnswer {
        var run = try DistributionRun(distribution, seed: seed)
        run.run()
        return PlanAnswer(distribution: distribution, report: run.report(), seed: seed)
    }
}

/// When replicas are ready, and what sources carry.
package struct PlanAnswer {
    package let distribution: Distribution
    package let report: RunReport
    package let seed: UInt64

    private func value(_ name: String) -> Double? { report.metrics.first { $0.name == name }?.value }

    // MARK: For people

    package var text: String {
        let rank = distribution.rankBytes
        var lines = [
            "\(distribution.targets) replicas, \(bytes(distribution.modelBytes)) in \(distribution.ranks) "
                + "rank\(distribution.ranks == 1 ? "" : "s") of \(bytes(rank)), "
                + "\(number(distribution.rankNIC * 8 / 1e9, 0)) Gbit/s for each rank; "
                + "\(distribution.sources) source\(distribution.sources == 1 ? "" : "s")"
                + (distribution.loaders > 0 ? ", \(distribution.loaders) from disk" : ""),
            "",
        ]
        let times = [
            ("first", "first_ready_s"), ("median", "median_ready_s"), ("99%", "p99_ready_s"), ("last", "last_ready_s"),
        ]
        lines += times.map { label, name in
            let time = value(name)
            let ratio = time.flatMap { time in value("alone_s").map { " (\(number(time / $0, 2)) of one alone)" } }
            return pad("\(label) ready after", 20) + (time.map { "\(number($0, 2)) s" } ?? "never") + (ratio ?? "")
        }
        lines.append(pad("one alone", 20) + (value("alone_s").map { "\(number($0, 2)) s" } ?? ""))
        let (mean, most) = (value("source_copies_mean") ?? 0, value("source_copies_most") ?? 0)
        lines.append(
            pad("each source sends", 20)
                + "\(number(mean, 2)) copies (\(bytes(mean * distribution.modelBytes))), at most \(number(most, 2))")
        lines.append(
            pad("a relay sends", 20) + "at most \(number(value("relay_copies_most") ?? 0, 2)) copies")
        if distribution.zones > 1 {
            lines.append(pad("between zones", 20) + "\(number(value("copies_between_zones") ?? 0, 2)) copies")
        }
        if let died = value("died"), died > 0 { lines.append(pad("ended on the way", 20) + number(died, 0)) }
        lines += report.violations.map { "violated: \($0.invariant.rawValue): \($0.detail)" }
        return (lines + ["", note]).joined(separator: "\n") + "\n"
    }

    /// What the figures rest on.
    private var note: String {
        let size = bytes(distribution.rankBytes / Double(distribution.chunks))
        return "One rank of each replica was simulated (seed \(seed), \(report.events) events), its content in "
            + "\(distribution.chunks) chunks of \(size);\nproduction's have 4.19 MB, with which the times are a little shorter."
    }

    private func bytes(_ count: Double) -> String {
        let (factor, unit) = count >= 1e12 ? (1e12, "TB") : count >= 1e9 ? (1e9, "GB") : (1e6, "MB")
        return "\(number(count / factor, count / factor >= 100 ? 0 : 2)) \(unit)"
    }

    private func number(_ value: Double, _ decimals: Int) -> String { FixedText.text(value, decimals) }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.count, 1))
    }

    // MARK: For programs

    /// One line, equal for equal questions.
    ///
    /// - Throws: never for what a run measures: all of it is finite.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var values: [String: Double?] = [:]
        for metric in report.metrics { values.updateValue(metric.value, forKey: metric.name) }
        let shape = Shape(
            replicas: distribution.targets, modelBytes: distribution.modelBytes, ranks: distribution.ranks,
            rankNicBytesPerSecond: distribution.rankNIC, sources: distribution.sources, loaders: distribution.loaders,
            chunks: distribution.chunks, chunkBytes: distribution.rankBytes / Double(distribution.chunks), seed: seed,
            traceHash: report.traceHash, pass: report.isPassed, metrics: values)
        return String(decoding: try encoder.encode(shape), as: UTF8.self)
    }

    private struct Shape: Encodable {
        let replicas: Int
        let modelBytes: Double
        let ranks: Int
        let rankNicBytesPerSecond: Double
        let sources: Int
        let loaders: Int
        let chunks: Int
        let chunkBytes: Double
        let seed: UInt64
        let traceHash: String
        let pass: Bool
        let metrics: [String: Double?]

        enum CodingKeys: String, CodingKey {
            case replicas, ranks, sources, loaders, chunks, seed, pass, metrics
            case modelBytes = "model_bytes"
            case rankNicBytesPerSecond = "rank_nic_bytes_per_second"
            case chunkBytes = "chunk_bytes"
            case traceHash = "trace_hash"
        }
    }
}

/// Numbers with so many decimals, the same everywhere.
enum FixedText {
    static func text(_ value: Double, _ decimals: Int) -> String {
        let factor = (0..<decimals).reduce(1.0) { product, _ in product * 10 }
        let scaled = (value.magnitude * factor).rounded()
        guard scaled < 1e18 else { return "\(value)" }
        let digits = String(UInt64(scaled))
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let sign = value < 0 && scaled > 0 ? "-" : ""
        return decimals == 0 ? sign + padded : "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
    }
}
