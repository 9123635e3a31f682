/// The line that tells how far a job is.
struct ProgressLine {
    private static let barWidth = 20
    private static let shortestBar = 6

    /// What is done, such as `pulling`.
    var verb: String
    /// The model; it may hold anything.
    var subject: String
    var done: UInt64
    var total: UInt64
    /// Bytes a second.
    var speed: Double?
    /// Sources read from; nil where there are none by nature.
    var sources: Int?

    /// One line without its end, no wider than `width`: what matters least goes first.
    func text(width: Int) -> String {
        let share = QuantityText.percent(done, of: total)
        let numbers = [share] + details
        for count in stride(from: numbers.count, through: 1, by: -1) {
            let tail = numbers.prefix(count).joined(separator: "  ")
            if let line = line(tail, width) { return line }
        }
        return share
    }

    /// From most to least wanted.
    private var details: [String] {
        var parts = [QuantityText.bytes(done, of: total)]
        if let speed {
            parts.append(QuantityText.rate(gigabytesPerSecond: speed / 1e9))
            if speed > 0, total > done {
                parts.append("ETA \(QuantityText.duration(seconds: Double(total - done) / speed))")
            }
        }
        if let sources { parts.append(sources == 1 ? "1 source" : "\(sources) sources") }
        return parts
    }

    /// Verb, subject, bar and numbers; nil when they don't fit.
    private func line(_ tail: String, _ width: Int) -> String? {
        for bar in [Self.barWidth, Self.shortestBar] {
            let rest = width - verb.count - bar - 2 - TerminalText.width(tail) - 4
            guard rest >= 8 else { continue }
            return "\(verb) \(TerminalText.escaped(subject, width: rest)) [\(filled(bar))] \(tail)"
        }
        return nil
    }

    private func filled(_ width: Int) -> String {
        let share = total == 0 ? 1 : min(Double(done) / Double(total), 1)
        let count = Int(share * Double(width))
        return String(repeating: "=", count: count) + String(repeating: " ", count: width - count)
    }
}
