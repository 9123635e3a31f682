import LocalAPI

/// How far a job is, put together from its events: progress tells what changed, earlier events told the rest.
struct JobProgress {
    private static let verbs = ["digesting": "digesting", "loading": "loading", "progress": "pulling"]

    private(set) var totalChunks: Int?
    private var model: String?
    private var directory: String?
    private var totalBytes: UInt64?
    private var sources: Set<String> = []
    private var meter = SpeedMeter()
    private var stage = ""

    /// What the job is about: the model, or its folder while the model has no name.
    var name: String { model ?? directory ?? "" }

    mutating func note(_ event: JobEvent, now: UInt64) {
        model = event.model ?? model
        directory = event.directory ?? directory
        if event.event == "source" {
            if let source = event.source { sources.insert(source.peer) }
            return
        }
        totalBytes = event.totalBytes ?? totalBytes
        totalChunks = event.totalChunks ?? totalChunks
        if event.event != stage {
            // The next stage begins: its speed has nothing to do with the last one's. What was resumed came at no speed.
            if event.event != "progress" { meter = SpeedMeter() }
            stage = event.event
        }
        if event.event == "found" {
            meter.add(bytes: 0, at: now)
        } else if Self.verbs[event.event] != nil || event.event == "resumed", let done = done(event) {
            meter.add(bytes: done, at: now)
        }
    }

    /// Nil for events that aren't about how far it is, or when nobody said how much there is.
    func line(_ event: JobEvent) -> ProgressLine? {
        guard let verb = Self.verbs[event.event], let total = totalBytes, let done = done(event) else { return nil }
        let count = sources.isEmpty ? event.sourceCount ?? 0 : sources.count
        return ProgressLine(
            verb: verb, subject: name, done: min(done, total), total: total,
            speed: meter.bytesPerSecond ?? event.gigabytesPerSecond.map { $0 * 1e9 },
            sources: event.event == "progress" ? count : nil)
    }

    /// Chunks tell more than bytes: those that were resumed count as well.
    private func done(_ event: JobEvent) -> UInt64? {
        guard let chunks = event.chunks, let totalChunks, totalChunks > 0, let total = totalBytes else {
            return event.bytes
        }
        return chunks >= totalChunks ? total : UInt64(Double(total) * Double(max(chunks, 0)) / Double(totalChunks))
    }
}
