import CommandLine
import Glibc
import Simulation

/// A line on the terminal that tells how far a run is; elsewhere nothing.
struct RunLine {
    /// Nanoseconds between two drawings.
    private static let pace: UInt64 = 200_000_000

    private let isInteractive = isatty(STDERR_FILENO) == 1
    private let start = JobRenderer.monotonicNow()
    private var lastDrawn: UInt64 = 0

    mutating func show(_ progress: RunProgress) {
        let now = JobRenderer.monotonicNow()
        guard isInteractive, now >= lastDrawn + Self.pace else { return }
        lastDrawn = now
        let rate = Double(progress.events) / max(Double(now - start) / 1e9, 1e-9)
        var line = "\r\u{1B}[K"
        if let began = progress.timelineBegan, progress.time >= began {
            line += "\(seconds(progress.time - began)) of \(seconds(progress.end - began))"
        } else {
            line += "joining, \(seconds(progress.time))"
        }
        line += "  \(progress.events) events, \(QuantityText.fixed(rate / 1000, 0))k a second"
        StandardText.error.write(line)
    }

    func finish() {
        if isInteractive, lastDrawn > 0 { StandardText.error.write("\r\u{1B}[K") }
    }

    private func seconds(_ time: UInt64) -> String { "\(QuantityText.fixed(Double(time) / 1e9, 2)) s" }
}
