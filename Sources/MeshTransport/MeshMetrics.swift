import Mesh
import PeerLogic
import Records
import Telemetry

/// What a peer's mesh counts. Handles are made once; the thread of the peer uses them.
struct MeshMetrics {
    private let neighbours = Metrics.shared.gauge(
        "modelexpress_mesh_neighbours", help: "Peers in the view: each hears the other's gossip.")
    private let channels = Metrics.shared.gauge("modelexpress_mesh_channels", help: "Peers to which a channel works.")
    private let peers = Metrics.shared.gauge("modelexpress_mesh_peers", help: "Peers that are known and live.")
    private let records = Metrics.shared.gauge("modelexpress_mesh_records", help: "Live records that are held.")
    private let slotsInUse = Metrics.shared.gauge("modelexpress_slots_in_use", help: "Leases that readers hold here.")
    private let certificateEnds = Metrics.shared.gauge(
        "modelexpress_certificate_expiry_seconds", help: "Seconds until this peer's certificate ends.")
    private let gossipFrames = Metrics.shared.counter(
        "modelexpress_mesh_gossip_frames_total", help: "Frames heard from neighbours' gossip.")
    private let gossipBytes = Metrics.shared.counter(
        "modelexpress_mesh_gossip_bytes_total", help: "Bytes of frames heard from neighbours' gossip.")
    private let controlMessages = Metrics.shared.counter(
        "modelexpress_mesh_control_messages_total", help: "Messages received on control channels.")
    private let controlBytes = Metrics.shared.counter(
        "modelexpress_mesh_control_bytes_total", help: "Bytes of messages received on control channels.")
    private let revocations = Metrics.shared.gauge(
        "modelexpress_mesh_revocations", help: "Revocations that hold or will hold.")
    private let applied = Metrics.shared.counter(
        "modelexpress_mesh_records_applied_total", help: "Records that were new or newer.")
    private let gone = Metrics.shared.counter(
        "modelexpress_mesh_peers_gone_total", help: "Peers that left or whose validity ended.")
    private let bootstrapAttempts = Metrics.shared.counter(
        "modelexpress_mesh_bootstrap_attempts_total", help: "Questions to bootstrap ports.")
    private let quarantined = Metrics.shared.counter(
        "modelexpress_mesh_peers_quarantined_total", help: "Peers that were proven to contradict themselves.")
    private let edgesUp = Self.edge("up")
    private let edgesDown = Self.edge("down")
    private let blocked = Metrics.shared.counter(
        "modelexpress_mesh_neighbours_blocked_total",
        help: "Neighbours blocked since they sent what no honest one does.")
    private let statistics = StatisticsMetrics()
    private let refused: [RefusedFrame: Counter] = {
        var counters: [RefusedFrame: Counter] = [:]
        for reason in RefusedFrame.allCases {
            counters[reason] = Metrics.shared.counter(
                "modelexpress_mesh_frames_refused_total", help: "Frames refused, by reason.",
                labels: [("reason", reason.rawValue.split(separator: " ").joined(separator: "_"))])
        }
        return counters
    }()

    func count(_ event: PeerEvent) {
        switch event {
        case .gossip(_, _, let frame):
            gossipFrames.increment()
            gossipBytes.add(UInt64(frame.count))
        case .message(_, let bytes):
            controlMessages.increment()
            controlBytes.add(UInt64(bytes.count))
        default: break
        }
    }

    func count(_ effect: MeshEffect) {
        switch effect {
        case .bootstrap: bootstrapAttempts.increment()
        case .changed(.record): applied.increment()
        case .changed(.gone): gone.increment()
        case .changed(.quarantined): quarantined.increment()
        case .changed(.blocked): blocked.increment()
        case .changed(.neighbour(_, let isUp)): (isUp ? edgesUp : edgesDown).increment()
        case .changed(.refused(_, let reason)): refused[reason]?.increment()
        default: break
        }
    }

    /// Sets the gauges.
    func show(_ logic: PeerLogic, _ now: Moment) {
        neighbours.set(logic.mesh.neighbourCount)
        channels.set(logic.mesh.channelCount)
        statistics.show(logic.mesh, now: now.monotonic)
        peers.set(logic.mesh.knownPeers.count)
        records.set(logic.mesh.recordCount)
        revocations.set(logic.revocationCount)
        slotsInUse.set(logic.slotsInUse)
        certificateEnds.set(Double(logic.certificate.notAfter - now.wall) / 1000)
    }

    private static func edge(_ change: String) -> Counter {
        Metrics.shared.counter(
            "modelexpress_mesh_edge_changes_total", help: "Neighbours that came up or fell silent.",
            labels: [("change", change)])
    }
}
