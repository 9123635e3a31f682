import Configuration
import Glibc
package import LocalAPI
import Telemetry

/// Shows how a job goes: `serve` and `pull` give it their events in order.
///
/// In a terminal a line is drawn again and again; elsewhere it prints plain lines; with JSON an event is one line. Any
/// thread may call it, and a call blocks while the output does.
package final class JobRenderer: Sendable {
    package enum Style: Hashable, Sendable {
        /// A line that is drawn again.
        case progressLine(Terminal)
        case plain
        /// One `JobEvent` a line.
        case json
    }

    private let style: Style
    private let output: any TextSink
    private let now: @Sendable () -> UInt64
    private let view: Guarded<JobView>
    private let pace = Guarded(DrawPace())

    /// - Parameters:
    ///   - output: where text goes.
    ///   - now: nanoseconds on a clock that never goes back.
    package init(
        style: Style, output: any TextSink = StandardText.output,
        now: @escaping @Sendable () -> UInt64 = JobRenderer.monotonicNow
    ) {
        self.style = style
        self.output = output
        self.now = now
        switch style {
        case .progressLine(let terminal): view = Guarded(JobView(terminal: terminal))
        case .plain, .json: view = Guarded(JobView(terminal: nil))
        }
    }

    /// For standard output.
    package convenience init(json: Bool) {
        self.init(style: Self.style(json: json, terminal: .standardOutput(.current())))
    }

    /// What fits standard output.
    package static func style(json: Bool, terminal: Terminal) -> Style {
        json ? .json : terminal.isInteractive ? .progressLine(terminal) : .plain
    }

    /// Shows the next event.
    package func show(_ event: JobEvent) {
        let moment = now()
        guard style != .json else { return showJSON(event, now: moment) }
        // Written within the lock, so that lines of several threads stay whole and in order.
        view.withLock { view in
            let text = view.show(event, now: moment)
            if !text.isEmpty { output.write(text) }
        }
    }

    /// Takes an unfinished progress line away, for a program that ends without a last event. Again does nothing.
    package func finish() {
        view.withLock { view in
            let text = view.clear()
            if !text.isEmpty { output.write(text) }
        }
    }

    /// The clock of durations.
    package static func monotonicNow() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Progress comes as often as a line is drawn, everything else as it is.
    private func showJSON(_ event: JobEvent, now: UInt64) {
        pace.withLock { pace in
            if event.event == "progress" || event.event == "digesting" {
                let isLast = event.bytes != nil && event.bytes == event.totalBytes
                guard pace.isDue(now: now, isLast: isLast) else { return }
            } else {
                pace = DrawPace()
            }
            output.write(jsonLine(event))
        }
    }

    private func jsonLine(_ event: JobEvent) -> String {
        do throws(LocalJSONError) {
            return try LocalJSON.text(event) + "\n"
        } catch {
            var finite = event
            finite.gigabytesPerSecond = nil
            finite.seconds = nil
            return ((try? LocalJSON.text(finite)) ?? #"{"event":"\#(event.event)"}"#) + "\n"
        }
    }
}
