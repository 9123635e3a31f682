import Records

/// Reads what a scenario expects of its metrics.
enum ExpectationReader {
    /// Bounds by the names of metrics as a report shows them, in the units of a report.
    static func read(_ node: ScenarioNode, of scenario: Scenario) throws(ScenarioError) -> [String: Bound] {
        try read(node, MetricName.all(of: scenario))
    }

    static func read(_ node: ScenarioNode, _ metrics: [MetricName]) throws(ScenarioError) -> [String: Bound] {
        let map = try node.map(metrics.map(\.words))
        var bounds: [String: Bound] = [:]
        for metric in metrics {
            guard let value = map[metric.words] else { continue }
            let (kind, limit) = try value.one(of: ["at_most", "at_least"])
            let number = try metric.unit.read(limit)
            bounds[metric.reported] = kind == "at_most" ? .atMost(number) : .atLeast(number)
        }
        return bounds
    }
}

/// A metric of a run: `words` as a scenario writes it, `reported` as a report shows it, with its unit.
package struct MetricName: Hashable, Sendable {
    package enum Unit: String, Hashable, Sendable {
        case milliseconds = "_ms"
        case seconds = "_s"
        case percent = "_percent"
        case number = ""

        func read(_ node: ScenarioNode) throws(ScenarioError) -> Double {
            switch self {
            case .milliseconds: Double(try node.duration()) / Double(Duration64.millisecond)
            case .seconds: Double(try node.duration()) / Double(Duration64.second)
            case .percent: Double(try node.share().millionths) / 10_000
            case .number: try node.number()
            }
        }
    }

    package let words: String
    package let unit: Unit

    package init(_ words: String, _ unit: Unit) {
        self.words = words
        self.unit = unit
    }

    package var reported: String { words + unit.rawValue }

    /// Of one announcement.
    static func spread(_ label: String) -> [MetricName] {
        ["p50", "p90", "p99", "all"].map { MetricName("\(label)_\($0)", .milliseconds) }
            + [
                MetricName("\(label)_reached", .percent), MetricName("\(label)_sends_per_peer", .number),
                MetricName("\(label)_copies_per_peer", .number),
            ]
    }

    static func watch(_ label: String) -> MetricName { MetricName("\(label)_time", .milliseconds) }

    static let joined = MetricName("join_time", .milliseconds)
    static let gossipMessages = MetricName("gossip_messages_per_peer_second", .number)
    static let gossipBytes = MetricName("gossip_bytes_per_peer_second", .number)
    static let controlMessages = MetricName("control_messages_per_peer_second", .number)
    static let controlBytes = MetricName("control_bytes_per_peer_second", .number)
    static let copies = MetricName("gossip_copies_per_delivery", .number)
    static let records = MetricName("records_held_most", .number)
    static let hidden = MetricName("hidden_offers", .percent)
    static let busiest = MetricName("busiest_peer", .percent)
    static let wronglyGone = MetricName("wrongly_gone", .number)
    static let lost = MetricName("gossip_lost", .number)
    static let dropped = MetricName("queue_drops", .number)

    /// Everything that a report on this scenario may hold.
    static func all(of scenario: Scenario) -> [MetricName] {
        let labelled = scenario.timeline.flatMap { step -> [MetricName] in
            switch step.action {
            case .announce(let label): spread(label)
            case .watch(_, let label): [watch(label)]
            default: []
            }
        }
        return labelled + [
            joined, gossipMessages, gossipBytes, controlMessages, controlBytes, copies, hidden, busiest,
            records, wronglyGone, lost, dropped,
        ]
    }
}
