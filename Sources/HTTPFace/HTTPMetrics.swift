import Telemetry

/// What the face counts about itself.
struct HTTPMetrics: Sendable {
    let connections = Metrics.shared.gauge("modelexpress_http_connections", help: "Open HTTP connections.")
    let refused = Metrics.shared.counter(
        "modelexpress_http_connections_refused_total",
        help: "HTTP connections closed, or not accepted, since too many were open.")
    let timeouts = Metrics.shared.counter(
        "modelexpress_http_timeouts_total", help: "HTTP clients and answers that took too long.")
    let handshakeFailures = Metrics.shared.counter(
        "modelexpress_http_tls_handshake_failures_total", help: "TLS handshakes of HTTP clients that failed.")
    private let fine = Self.answers("2xx")
    private let clientErrors = Self.answers("4xx")
    private let serverErrors = Self.answers("5xx")

    func count(_ status: Response.Status) {
        switch status.rawValue {
        case ..<300: fine.increment()
        case ..<500: clientErrors.increment()
        default: serverErrors.increment()
        }
    }

    private static func answers(_ code: String) -> Counter {
        Metrics.shared.counter("modelexpress_http_answers_total", help: "HTTP answers.", labels: [("code", code)])
    }
}
