package import ArgumentParser
import FoundationEssentials

/// Says what differs between two sets of runs.
package struct CompareCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compares the metrics of two files of `run --json` lines, and fails when one has become worse.",
        discussion: """
            Runs of the same scenario in one file count by their mean. Worse is: further towards the bound that the scenario sets,
            by more than --tolerance percent. Metrics without a bound are shown when they differ by as much.
            """)

    @Argument(help: "Lines of `run --json` from before.")
    var base: String

    @Argument(help: "Lines of `run --json` from now.")
    var current: String

    @Option(help: "Percent by which a metric may differ.")
    var tolerance = 10.0

    package init() {}

    package func run() throws {
        let comparison = Comparison(
            base: try RunLines.read(path: base), current: try RunLines.read(path: current), tolerance: tolerance)
        for line in comparison.lines { print(line) }
        print("\(comparison.worse) worse, \(comparison.better) better")
        if comparison.worse > 0 { throw ExitCode(1) }
    }
}

/// Metrics of runs, as means by scenario and name.
package struct RunLines {
    struct Key: Hashable, Comparable {
        let scenario: String
        let metric: String

        static func < (left: Key, right: Key) -> Bool {
            (left.scenario, left.metric) < (right.scenario, right.metric)
        }
    }

    private struct Line: Decodable {
        let scenario: String
        let metrics: [String: Double?]
        let expected: [String: [String: Double]]
    }

    private(set) var means: [Key: Double] = [:]
    /// Metrics that are better the higher they are; those with another bound, the lower; those without, neither.
    private(set) var isHigherBetter: [Key: Bool] = [:]

    static func read(path: String) throws -> RunLines {
        guard let content = FileManager.default.contents(atPath: path),
            let text = String(validating: content, as: UTF8.self)
        else { throw ValidationError("can't read \(path)") }
        return try RunLines(text)
    }

    package init(_ text: String) throws {
        var values: [Key: [Double]] = [:]
        for text in text.split(separator: "\n") where text.hasPrefix("{") {
            let line = try JSONDecoder().decode(Line.self, from: Data(text.utf8))
            for (name, value) in line.metrics {
                guard let value else { continue }
                values[Key(scenario: line.scenario, metric: name), default: []].append(value)
            }
            for (name, bound) in line.expected {
                isHigherBetter[Key(scenario: line.scenario, metric: name)] = bound["at_least"] != nil
            }
        }
        means = values.mapValues { $0.reduce(0, +) / Double($0.count) }
    }
}

/// What differs by more than is tolerated.
package struct Comparison {
    package private(set) var lines: [String] = []
    package private(set) var worse = 0
    package private(set) var better = 0

    package init(base: RunLines, current: RunLines, tolerance: Double) {
        for key in base.means.keys.sorted() {
            guard let before = base.means[key], let now = current.means[key], before != now else { continue }
            let change = before == 0 ? 100 : (now - before) / before.magnitude * 100
            guard change.magnitude > tolerance else { continue }
            var verdict = ""
            if let isHigherBetter = current.isHigherBetter[key] {
                let isBetter = (now > before) == isHigherBetter
                verdict = isBetter ? "  better" : "  WORSE"
                if isBetter { better += 1 } else { worse += 1 }
            }
            lines.append(
                "\(key.scenario) \(key.metric): \(FixedText.text(before, 3)) -> \(FixedText.text(now, 3)) "
                    + "(\(change > 0 ? "+" : "")\(FixedText.text(change, 1))%)\(verdict)")
        }
    }
}
