import Records
import Telemetry
import Transfer

/// Which side of a lane counts.
enum LaneDirection: String {
    case sent
    case received
}

/// The numbers of one kind of lane and direction. Handles are made once and kept.
struct LaneMetrics: Sendable {
    let openConnections: Gauge
    /// By closeness, nearest first.
    private let bytes: [Counter]
    private let reads: [Counter]
    private let labels: [(String, String)]

    init(_ kind: LaneKind, _ direction: LaneDirection) {
        let labels = [("lane", kind.word), ("direction", direction.rawValue)]
        self.labels = labels
        bytes = Closeness.allCases.map {
            Metrics.shared.counter(
                "modelexpress_lane_bytes_total", help: "Bytes of chunks moved over lanes.",
                labels: labels + [("distance", $0.word)])
        }
        reads = Closeness.allCases.map {
            Metrics.shared.counter(
                "modelexpress_lane_reads_total", help: "Chunks moved over lanes.",
                labels: labels + [("distance", $0.word)])
        }
        openConnections = Metrics.shared.gauge(
            "modelexpress_lane_connections", help: "Open connections of lanes.", labels: labels)
    }

    /// A chunk of so many bytes was moved.
    func count(_ length: UInt64, _ closeness: Closeness) {
        bytes[Int(closeness.rawValue)].add(length)
        reads[Int(closeness.rawValue)].increment()
    }

    /// Rare, so the handle is looked up.
    func countFailure(_ reason: String) {
        Metrics.shared.counter(
            "modelexpress_lane_failures_total", help: "Lanes, connections and reads that failed, by reason.",
            labels: labels + [("reason", reason)]
        ).increment()
    }
}
