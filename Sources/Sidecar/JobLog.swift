package import LocalAPI
package import Telemetry

/// A daemon's jobs as log lines: what an operator reads with `kubectl logs`.
package enum JobLog {
    /// Writes what is worth a line; progress is told by metrics and the local socket.
    package static func write(_ event: JobEvent, to log: Log) {
        let model = event.model ?? event.directory ?? ""
        switch event.event {
        case "serving":
            log.info(
                "serving",
                [
                    ("model", model), ("revision", event.revision ?? ""), ("manifest", event.manifest ?? ""),
                    ("bytes", event.totalBytes ?? 0),
                ])
        case "found":
            log.info(
                "found in the mesh",
                [
                    ("model", model), ("manifest", event.manifest ?? ""),
                    ("bytes", event.totalBytes ?? 0), ("sources", event.sourceCount ?? 0),
                ])
        case "source":
            log.info(
                "reading from a source",
                [
                    ("model", model), ("peer.id", event.source?.peer ?? ""),
                    ("lane", event.source?.lane ?? ""),
                ])
        case "complete":
            log.info(
                "complete",
                [
                    ("model", model), ("bytes", event.bytes ?? 0), ("seconds", event.seconds ?? 0),
                    ("gigabytes_per_second", event.gigabytesPerSecond ?? 0), ("integrity", event.integrity ?? ""),
                ])
        default: break
        }
    }
}
