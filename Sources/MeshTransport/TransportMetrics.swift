import Telemetry

/// Which of a peer's sockets something happened at, as metrics call it.
enum SocketRole: String, CaseIterable {
    case control, gossip
}

/// Why a frame was dropped before anybody looked into it.
enum DroppedFrame: String, CaseIterable {
    /// Nobody vouches for its sender, whose probation is over.
    case unknown
    case blocked
    case overBudget = "over_budget"
    case oversized
    /// The wrong number of parts, or another's topic.
    case malformed
}

/// Why a connection was cut.
enum CutConnection: String, CaseIterable {
    case blocked, flood
    /// Nothing but strangers' words came on it.
    case stranger
    /// More came than libzmq handed over: a message without end, or faster than we read.
    case unread
    /// There were too many.
    case crowd
    /// Too many came within a second, from its address or from all.
    case rate
}

/// What a peer's sockets count. Handles are made once; the thread of the peer uses them.
struct TransportMetrics {
    let handshakesFailedIn = Self.handshakes("in")
    let handshakesFailedOut = Self.handshakes("out")
    let channelsLost = Metrics.shared.counter(
        "modelexpress_mesh_channels_lost_total", help: "Control connections to neighbours that ended by themselves.")
    let probation = Metrics.shared.gauge(
        "modelexpress_mesh_probation_keys", help: "Keys that may connect and that have not shown a chain yet.")
    let blocked = Metrics.shared.gauge("modelexpress_mesh_blocked_keys", help: "Keys that are refused for some time.")
    private let connections = byRole { role in
        Metrics.shared.gauge(
            "modelexpress_mesh_inbound_connections", help: "TCP connections that came in, by socket.",
            labels: [("socket", role.rawValue)])
    }
    private let rebinds = byRole { role in
        Metrics.shared.counter(
            "modelexpress_mesh_rebinds_total",
            help: "Times that a socket was bound anew to cut a flooder's connection.",
            labels: [("socket", role.rawValue)])
    }
    private let dropped = byRole { role in
        byReason(DroppedFrame.allCases) { reason in
            Metrics.shared.counter(
                "modelexpress_mesh_frames_dropped_total",
                help: "Frames dropped by their sender's key before they were looked into.",
                labels: [("socket", role.rawValue), ("reason", reason.rawValue)])
        }
    }
    private let cut = byRole { role in
        byReason(CutConnection.allCases) { reason in
            Metrics.shared.counter(
                "modelexpress_mesh_connections_cut_total", help: "Connections that were cut, by socket and reason.",
                labels: [("socket", role.rawValue), ("reason", reason.rawValue)])
        }
    }

    func count(_ reason: DroppedFrame, at role: SocketRole) { dropped[role]?[reason]?.increment() }

    func count(_ reason: CutConnection, at role: SocketRole) { cut[role]?[reason]?.increment() }

    func countRebind(_ role: SocketRole) { rebinds[role]?.increment() }

    func show(connections count: Int, at role: SocketRole) { connections[role]?.set(count) }

    private static func handshakes(_ direction: String) -> Counter {
        Metrics.shared.counter(
            "modelexpress_mesh_handshake_failures_total",
            help: "Handshakes that failed, by whether others connected to us or we to them.",
            labels: [("direction", direction)])
    }

    private static func byRole<Handle>(_ make: (SocketRole) -> Handle) -> [SocketRole: Handle] {
        byReason(SocketRole.allCases, make)
    }

    private static func byReason<Reason: Hashable, Handle>(
        _ reasons: [Reason], _ make: (Reason) -> Handle
    ) -> [Reason: Handle] {
        Dictionary(uniqueKeysWithValues: reasons.map { ($0, make($0)) })
    }
}
