import LocalAPI

/// What is on the screen of one job: turns events into the text to write. It writes nothing itself.
struct JobView {
    /// Nanoseconds between two drawings of the progress line.
    static let drawInterval: UInt64 = 100_000_000
    /// Plain lines come each time so many more hundredths are done.
    static let plainStep = 10

    /// Nil for plain lines.
    private let terminal: Terminal?
    private var model = ""
    private var sourceNames: Set<String> = []
    private var meter = SpeedMeter()
    private var lastDraw: UInt64?
    private var isDrawn = false
    /// The kind of progress that plain lines told last, and how far it was.
    private var told: (event: String, step: Int)?

    init(terminal: Terminal?) { self.terminal = terminal }

    mutating func show(_ event: JobEvent, now: UInt64) -> String {
        if let model = event.model { self.model = model }
        if event.event == "source", let source = event.source { sourceNames.insert(source.peer) }
        if let progress = progress(of: event, now: now) { return show(progress, event, now: now) }
        if event.event != "source" {
            // The next stage begins: its speed has nothing to do with this one's.
            meter = SpeedMeter()
            lastDraw = nil
        }
        return clear() + JobLines.text(event, model: model, terminal: terminal)
    }

    /// Takes the progress line away.
    mutating func clear() -> String {
        guard isDrawn else { return "" }
        isDrawn = false
        return "\r\u{1b}[K"
    }

    /// Nil for events that aren't about how far it is.
    private mutating func progress(of event: JobEvent, now: UInt64) -> ProgressLine? {
        let verbs = ["digesting": "digesting", "progress": "pulling"]
        guard let verb = verbs[event.event], let done = event.bytes, let total = event.totalBytes else { return nil }
        meter.add(bytes: done, at: now)
        let speed = meter.bytesPerSecond ?? event.gigabytesPerSecond.map { $0 * 1e9 }
        let count = event.sources?.count ?? event.sourceCount ?? sourceNames.count
        return ProgressLine(
            verb: verb, subject: model, done: done, total: total, speed: speed,
            sources: event.event == "progress" ? count : nil)
    }

    private mutating func show(_ progress: ProgressLine, _ event: JobEvent, now: UInt64) -> String {
        guard let terminal else { return plainText(progress, event) }
        if let lastDraw, now - lastDraw < Self.drawInterval, progress.done < progress.total { return "" }
        lastDraw = now
        isDrawn = true
        // The cursor goes back to the line's begin, so that a log line covers the progress line and isn't hung onto it; and
        // the last column stays free, since terminals break the line there.
        return "\r\(progress.text(width: terminal.width - 1))\u{1b}[K\r"
    }

    private mutating func plainText(_ progress: ProgressLine, _ event: JobEvent) -> String {
        let share = progress.total == 0 ? 1 : min(Double(progress.done) / Double(progress.total), 1)
        let step = Int(share * 100) / Self.plainStep
        if let told, told.event == event.event, step <= told.step { return "" }
        let isFirst = told?.event != event.event
        told = (event.event, step)
        let name = TerminalText.escaped(progress.subject)
        if isFirst, step == 0 { return "\(progress.verb) \(name): \(QuantityText.bytes(progress.total))\n" }
        var parts = [QuantityText.bytes(progress.done, of: progress.total)]
        if let speed = progress.speed { parts.append(QuantityText.rate(gigabytesPerSecond: speed / 1e9)) }
        if let sources = progress.sources { parts.append(sources == 1 ? "1 source" : "\(sources) sources") }
        return "\(progress.verb) \(name): \(step * Self.plainStep)% (\(parts.joined(separator: ", ")))\n"
    }
}
