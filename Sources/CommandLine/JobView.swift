import LocalAPI

/// What is on the screen of one job: turns events into the text to write. It writes nothing itself.
struct JobView {
    /// Hundredths between two plain lines of progress.
    static let plainStep = 10

    /// Nil for plain lines.
    private let terminal: Terminal?
    private var progress = JobProgress()
    private var pace = DrawPace()
    private var isDrawn = false
    /// Sources told, by peer and lane.
    private var told: Set<[String]> = []
    /// The kind of progress that plain lines told last, and how far it was.
    private var toldShare: (event: String, step: Int)?

    init(terminal: Terminal?) { self.terminal = terminal }

    mutating func show(_ event: JobEvent, now: UInt64) -> String {
        progress.note(event, now: now)
        if let line = progress.line(event) { return show(line, event, now: now) }
        if event.event == "source", let source = event.source, source.note.isEmpty {
            // A source whose lease was made anew is no news.
            guard told.insert([source.peer, source.lane]).inserted else { return "" }
        }
        pace = DrawPace()
        let text = JobLines.text(event, name: progress.name, totalChunks: progress.totalChunks, terminal: terminal)
        return text.isEmpty ? "" : clear() + text
    }

    /// Takes the progress line away.
    mutating func clear() -> String {
        guard isDrawn else { return "" }
        isDrawn = false
        return "\r\u{1b}[K"
    }

    private mutating func show(_ line: ProgressLine, _ event: JobEvent, now: UInt64) -> String {
        guard let terminal else { return plainText(line, event) }
        guard pace.isDue(now: now, isLast: line.done >= line.total) else { return "" }
        isDrawn = true
        // The cursor goes back to the line's begin, so that a log line covers the progress line and isn't hung onto it; and
        // the last column stays free, since terminals break the line there.
        return "\r\(line.text(width: terminal.width - 1))\u{1b}[K\r"
    }

    private mutating func plainText(_ line: ProgressLine, _ event: JobEvent) -> String {
        let share = line.total == 0 ? 1 : min(Double(line.done) / Double(line.total), 1)
        let step = Int(share * 100) / Self.plainStep
        let isFirst = toldShare?.event != event.event
        guard isFirst || step > toldShare?.step ?? 0 else { return "" }
        toldShare = (event.event, step)
        let name = TerminalText.escaped(line.subject)
        if isFirst, step == 0 { return "\(line.verb) \(name): \(QuantityText.bytes(line.total))\n" }
        var parts = [QuantityText.bytes(line.done, of: line.total)]
        if let speed = line.speed { parts.append(QuantityText.rate(gigabytesPerSecond: speed / 1e9)) }
        if let sources = line.sources { parts.append(sources == 1 ? "1 source" : "\(sources) sources") }
        return "\(line.verb) \(name): \(step * Self.plainStep)% (\(parts.joined(separator: ", ")))\n"
    }
}

/// Lets at most ten drawings a second through.
struct DrawPace {
    /// Nanoseconds between two drawings.
    static let interval: UInt64 = 100_000_000

    private var last: UInt64?
    private var hadLast = false

    /// - Parameter isLast: whether nothing follows, which is shown at once, though once only.
    mutating func isDue(now: UInt64, isLast: Bool) -> Bool {
        if isLast, !hadLast {
            hadLast = true
        } else if let last, now - last < Self.interval {
            return false
        }
        last = now
        return true
    }
}
