import Telemetry

/// What a store counts.
struct StoreMetrics: Sendable {
    let accepted: Counter
    let equal: Counter
    let stale: Counter
    let failed: Counter
    let dropped: Counter
    let renewed: Counter
    let missing: Counter
    let outages: Counter
    let losses: Counter
    let connected: Gauge
    let pending: Gauge

    init(_ metrics: Metrics) {
        func writes(_ result: String) -> Counter {
            metrics.counter(
                "modelexpress_snapshot_store_writes_total",
                help:
                    "Writes to Redis by result: accepted, equal, stale, failed (refused for good), dropped (queue full).",
                labels: [("result", result)])
        }
        accepted = writes("accepted")
        equal = writes("equal")
        stale = writes("stale")
        failed = writes("failed")
        dropped = writes("dropped")
        renewed = metrics.counter(
            "modelexpress_snapshot_store_renewed_total", help: "Records whose life in Redis was extended.")
        missing = metrics.counter(
            "modelexpress_snapshot_store_missing_total", help: "Records to be renewed that Redis didn't have.")
        outages = metrics.counter(
            "modelexpress_snapshot_store_outages_total", help: "How often a connection to Redis that worked was lost.")
        losses = metrics.counter(
            "modelexpress_snapshot_store_losses_total",
            help: "How often Redis was found to have lost what it held under a connection that stood.")
        connected = metrics.gauge(
            "modelexpress_snapshot_store_connected", help: "1 while Redis takes writes, else 0.")
        pending = metrics.gauge(
            "modelexpress_snapshot_store_pending", help: "Writes and renewals that wait for Redis.")
    }
}
