import FoundationEssentials
import Records

/// What came of a run.
package struct RunReport: Sendable {
    package struct Metric: Hashable, Sendable {
        package let name: String
        /// Nil when it never came to be: an announcement that didn't reach everybody, a condition that never held.
        package let value: Double?
        package let bound: Bound?

        package var isMet: Bool {
            guard let bound else { return true }
            return value.map(bound.holds) ?? false
        }
    }

    package let scenario: String
    package let seed: UInt64
    package let traceHash: String
    /// The first ones of each kind.
    package let violations: [Violation]
    package let violationCount: Int
    package let metrics: [Metric]
    package let events: Int
    /// Virtual nanoseconds.
    package let duration: UInt64
    /// What repeats this very run.
    package let replay: String
    /// For a picture.
    package let curves: [ReportCurve]

    package var isPassed: Bool { violationCount == 0 && metrics.allSatisfy(\.isMet) }

    /// One line, equal for equal runs.
    ///
    /// - Throws: never for what a run measures: all of it is finite.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(shape), as: UTF8.self)
    }

    private var shape: Shape {
        var values: [String: Double?] = [:]
        var expected: [String: [String: Double]] = [:]
        for metric in metrics {
            values.updateValue(metric.value, forKey: metric.name)
            switch metric.bound {
            case .atMost(let limit): expected[metric.name] = ["at_most": limit]
            case .atLeast(let limit): expected[metric.name] = ["at_least": limit]
            case nil: break
            }
        }
        return Shape(
            scenario: scenario, seed: seed, pass: isPassed, traceHash: traceHash,
            violations: violations.map {
                Shape.Violation(
                    invariant: $0.invariant.rawValue, milliseconds: Double($0.at / 1_000) / 1_000, peer: $0.peer,
                    detail: $0.detail)
            }, metrics: values, expected: expected, replay: isPassed ? nil : replay)
    }

    private struct Shape: Encodable {
        struct Violation: Encodable {
            let invariant: String
            let milliseconds: Double
            let peer: String
            let detail: String

            enum CodingKeys: String, CodingKey {
                case invariant, peer, detail
                case milliseconds = "at_ms"
            }
        }

        let scenario: String
        let seed: UInt64
        let pass: Bool
        let traceHash: String
        let violations: [Violation]
        let metrics: [String: Double?]
        let expected: [String: [String: Double]]
        let replay: String?

        enum CodingKeys: String, CodingKey {
            case scenario, seed, pass, violations, metrics, expected, replay
            case traceHash = "trace_hash"
        }
    }
}

extension Simulation {
    func report() -> RunReport {
        var values: [(MetricName, Double?)] = spreads.flatMap { spread in
            spread.metrics { index in peers[index].isAlive && peers[index].isTrusted }
        }
        values += watches.filter { $0.label != ConditionWatch.liveness }.map {
            (MetricName.watch($0.label), $0.heldAfter.map(Self.milliseconds))
        }
        values.append((.joined, joinTime.map(Self.milliseconds)))
        values += traffic.metrics
        return RunReport(
            scenario: scenario.name, seed: seed, traceHash: trace.text, violations: invariants.violations,
            violationCount: invariants.count,
            metrics: values.map { name, value in
                RunReport.Metric(
                    name: name.reported, value: value.map(Self.rounded), bound: scenario.expected[name.reported])
            } + missing(values.map(\.0)), events: events, duration: now, replay: replay,
            curves: spreads.map { spread in spread.curve { peers[$0].isAlive && peers[$0].isTrusted } })
    }

    /// What was expected and never came to be measured.
    private func missing(_ measured: [MetricName]) -> [RunReport.Metric] {
        let names = Set(measured.map(\.reported))
        return scenario.expected.keys.sorted().filter { !names.contains($0) }.map {
            RunReport.Metric(name: $0, value: nil, bound: scenario.expected[$0])
        }
    }

    private var replay: String {
        "modelexpress-sim run \(scenario.path) --seed \(seed) --peers \(scenario.peers)"
    }

    private static func milliseconds(_ time: UInt64) -> Double { Double(time) / Double(Duration64.millisecond) }

    private static func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
}
