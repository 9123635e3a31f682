import EventThread
import SnapshotStore
import Telemetry

/// The server's condition, told by whoever knows a part of it and read from anywhere; each change of the state is logged with its
/// reason and shown as a metric.
final class ConditionKeeper: Sendable {
    private struct Kept: Sendable {
        var condition: ServerCondition
        var told: ServerState?
    }

    private let kept: Guarded<Kept>
    private let gauges: [(state: ServerState, gauge: Gauge)]
    private let log = Log(component: "server")

    /// - Parameter metrics: where the state is shown.
    init(metrics: Metrics = .shared) {
        kept = Guarded(Kept(condition: ServerCondition(started: MonotonicClock.now())))
        gauges = ServerState.allCases.map { state in
            let gauge = metrics.gauge(
                "modelexpress_server_state", help: "1 for the state that the server is in, 0 for the others.",
                labels: [("state", state.rawValue)])
            return (state, gauge)
        }
        update { _ in }
    }

    func take(store state: SnapshotStoreState) { update { $0.take(store: state) } }

    func endReading() { update { $0.endReading() } }

    func take(agreeing peers: Int) { update { $0.take(agreeing: peers, now: MonotonicClock.now()) } }

    func drain() { update { $0.drain() } }

    var report: ServerCondition.Report { kept.withLock { $0.condition.report } }

    var storeSentence: String { kept.withLock { $0.condition.storeSentence } }

    var isWarm: Bool { kept.withLock { $0.condition.isWarm } }

    private func update(_ change: @Sendable (inout ServerCondition) -> Void) {
        let changed = kept.withLock { kept -> ServerCondition.Report? in
            change(&kept.condition)
            let report = kept.condition.report
            guard report.state != kept.told else { return nil }
            kept.told = report.state
            for (state, gauge) in gauges { gauge.set(state == report.state ? 1 : 0) }
            return report
        }
        guard let changed else { return }
        let level: LogLevel = changed.state == .degraded ? .warning : .info
        log.log(level, "the server's state changed", [("state", changed.state.rawValue), ("reason", changed.reason)])
    }
}
