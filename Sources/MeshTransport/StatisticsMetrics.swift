import Mesh
import Telemetry

/// Shows what a mesh counts itself. The mesh owns the counts; these handles take them over now and then.
struct StatisticsMetrics {
    private let delivered = Self.counter("gossip_new_total", "Gossip frames that brought something new.")
    private let duplicates = Self.counter("gossip_duplicates_total", "Gossip frames that had been seen.")
    private let missed = Self.counter(
        "gossip_missed_total", "Frames missing by neighbours' counters: dropped by full queues or lost connections.")
    private let published = Self.counter("published_frames_total", "Frames published, own and forwarded.")
    private let exchanges = Self.counter("exchanges_total", "Digest exchanges begun with a neighbour.")
    private let repaired = Self.counter("records_repaired_total", "Records and beacons that exchanges brought.")
    private let bytesGiven = Self.counter("bytes_given_total", "Bytes of records given in exchanges and snapshots.")
    private let snapshotsMade = Self.counter(
        "snapshots_made_total", "Snapshots made for joiners, each for all who ask.")
    private let snapshotPages = Self.counter("snapshot_pages_total", "Pages of snapshots given to joiners.")
    private let snapshotsTaken = Self.counter("snapshots_taken_total", "Snapshots that this peer took whole.")
    private let snapshotsAbandoned = Self.counter(
        "snapshots_abandoned_total", "Snapshots that were given up, so that exchanges bring the rest.")
    private let verifications = Self.counter("signatures_checked_total", "Signatures of frames that were checked.")
    private let expired = Self.counter("peers_expired_total", "Peers whose validity ended without a goodbye.")
    private let lateTicks = Self.counter(
        "late_ticks_total", "Times that this peer was paused or starved, and blamed no neighbour for it.")
    private let shuffles = Self.counter("shuffles_total", "Neighbours exchanged for others.")
    private let handedOver = Self.counter("neighbours_handed_over_total", "Neighbours handed over to a newcomer.")
    private let floors = Metrics.shared.gauge(
        "modelexpress_mesh_floors", help: "Versions of ended records that are kept from coming back.")
    private let quarantined = Metrics.shared.gauge(
        "modelexpress_mesh_quarantined_peers", help: "Peers that are quarantined now.")
    private let clockOffset = Metrics.shared.gauge(
        "modelexpress_mesh_clock_offset_seconds",
        help: "By how much neighbours' clocks seem ahead of this one's: the median, less a frame's way.")
    private let slowness = Metrics.shared.gauge(
        "modelexpress_mesh_slowness", help: "How slow this peer finds itself, 0 to 8: by so much it is more patient.")
    private let comparedAgo = Metrics.shared.gauge(
        "modelexpress_mesh_compared_age_seconds", help: "Seconds since a neighbour compared its records with ours.")
    private let size = Metrics.shared.gauge(
        "modelexpress_mesh_preset_peers", help: "The largest mesh that the present preset is meant for; 0: any.")
    private let hops = Metrics.shared.histogram(
        "modelexpress_mesh_hops", help: "Edges that new gossip frames came over before.",
        bounds: MeshStatistics().hops.bounds.map(Double.init))
    private let recordAge = Self.age("record", MeshStatistics().recordAge)
    private let beaconAge = Self.age("beacon", MeshStatistics().beaconAge)

    /// `now` is on the monotonic clock, nanoseconds.
    func show(_ mesh: Mesh, now: UInt64) {
        let statistics = mesh.statistics
        delivered.show(statistics.delivered)
        duplicates.show(statistics.duplicates)
        missed.show(statistics.missed)
        published.show(statistics.published)
        exchanges.show(statistics.exchanges)
        repaired.show(statistics.repaired)
        bytesGiven.show(statistics.bytesGiven)
        snapshotsMade.show(statistics.snapshotsMade)
        snapshotPages.show(statistics.snapshotPages)
        snapshotsTaken.show(statistics.snapshotsTaken)
        snapshotsAbandoned.show(statistics.snapshotsAbandoned)
        verifications.show(statistics.verifications)
        expired.show(statistics.expired)
        lateTicks.show(statistics.lateTicks)
        shuffles.show(statistics.shuffles)
        handedOver.show(statistics.handedOver)
        floors.set(mesh.floorCount)
        quarantined.set(mesh.quarantinedPeers.count)
        clockOffset.set(Double(mesh.clockOffset ?? 0) / 1000)
        slowness.set(mesh.slowness)
        if let compared = mesh.lastCompared { comparedAgo.set(Double(now - min(now, compared)) / 1e9) }
        size.set(mesh.presentPreset.upTo == .max ? 0 : mesh.presentPreset.upTo)
        hops.show(counts: statistics.hops.counts, sum: Double(statistics.hops.sum))
        recordAge.show(counts: statistics.recordAge.counts, sum: Double(statistics.recordAge.sum) / 1000)
        beaconAge.show(counts: statistics.beaconAge.counts, sum: Double(statistics.beaconAge.sum) / 1000)
    }

    private static func counter(_ name: String, _ help: String) -> Counter {
        Metrics.shared.counter("modelexpress_mesh_\(name)", help: help)
    }

    private static func age(_ kind: String, _ spread: Spread) -> Histogram {
        Metrics.shared.histogram(
            "modelexpress_mesh_propagation_seconds",
            help: "Age of new frames when gossip brought them, by both sides' wall clocks.",
            labels: [("kind", kind)], bounds: spread.bounds.map { Double($0) / 1000 })
    }
}
