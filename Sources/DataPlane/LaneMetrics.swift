import Records
import Telemetry

/// Which side of a lane counts.
enum LaneDirection: String {
    case sent
    case received
}

/// The numbers of one kind of lane and direction. Handles are made once and kept.
struct LaneMetrics: Sendable {
    let bytes: Counter
    let reads: Counter
    let openConnections: Gauge
    private let labels: [(String, String)]

    init(_ kind: LaneKind, _ direction: LaneDirection) {
        labels = [("lane", kind.word), ("direction", direction.rawValue)]
        bytes = Metrics.shared.counter(
            "modelexpress_lane_bytes_total", help: "Bytes of chunks moved over lanes.", labels: labels)
        reads = Metrics.shared.counter(
            "modelexpress_lane_reads_total", help: "Chunks moved over lanes.", labels: labels)
        openConnections = Metrics.shared.gauge(
            "modelexpress_lane_connections", help: "Open connections of lanes.", labels: labels)
    }

    /// Rare, so the handle is looked up.
    func countFailure(_ reason: String) {
        Metrics.shared.counter(
            "modelexpress_lane_failures_total", help: "Lanes, connections and reads that failed, by reason.",
            labels: labels + [("reason", reason)]
        ).increment()
    }
}
