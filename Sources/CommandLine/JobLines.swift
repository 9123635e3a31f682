import LocalAPI

/// The lasting lines that a job's events leave behind.
enum JobLines {
    /// - Parameters:
    ///   - name: what the job is about.
    ///   - terminal: nil for plain text.
    static func text(_ event: JobEvent, name: String, totalChunks: Int?, terminal: Terminal?) -> String {
        let name = title(name, event.revision)
        switch event.event {
        case "digesting": return "digesting \(name): reading the folder once to make its manifest\n"
        case "serving": return serving(event, name)
        case "searching": return "searching for sources of \(name)\n"
        case "found": return found(event, name)
        case "resumed": return resumed(event, totalChunks)
        case "source": return event.source.map { source($0) } ?? ""
        case "complete": return mark("complete", "32", terminal) + PullReport.text(event, name)
        case "failed": return mark("failed", "31", terminal) + failed(event, name)
        default: return other(event)
        }
    }

    private static func serving(_ event: JobEvent, _ name: String) -> String {
        var text = "serving \(name)"
        if let bytes = event.bytes ?? event.totalBytes { text += ", \(QuantityText.bytes(bytes))" }
        if let manifest = event.manifest { text += ", manifest \(escaped(MeshReport.short(manifest)))" }
        text += "\n"
        if let message = event.message { text += "note: \(escaped(message))\n" }
        if let bootstrap = event.bootstrap {
            let word = event.model ?? "MODEL"
            text += "others get it with: modelexpress pull \(escaped(word)) --to FOLDER --peers \(escaped(bootstrap))\n"
        }
        return text
    }

    private static func found(_ event: JobEvent, _ name: String) -> String {
        var parts: [String] = []
        if let bytes = event.totalBytes ?? event.bytes { parts.append(QuantityText.bytes(bytes)) }
        if let chunks = event.totalChunks ?? event.chunks { parts.append("\(chunks) chunks") }
        if let count = event.sourceCount { parts.append(count == 1 ? "1 source" : "\(count) sources") }
        if let manifest = event.manifest { parts.append("manifest \(escaped(MeshReport.short(manifest)))") }
        return "found \(name): \(parts.joined(separator: ", "))\n"
    }

    private static func source(_ source: PullSourceView) -> String {
        var text = "source \(PullReport.title(source)) over \(escaped(source.lane))"
        if !source.note.isEmpty { text += ": \(escaped(source.note))" }
        return text + "\n"
    }

    /// Without the reason: it is the program's last word on standard error.
    private static func failed(_ event: JobEvent, _ name: String) -> String {
        var text = ": \(name)\n"
        if let sources = event.sources, !sources.isEmpty { text += PullReport.table(sources) }
        return text
    }

    private static func other(_ event: JobEvent) -> String {
        let message = event.message.map { ": \(escaped($0))" } ?? ""
        return event.event == "progress" ? "" : "\(escaped(event.event))\(message)\n"
    }

    private static func resumed(_ event: JobEvent, _ totalChunks: Int?) -> String {
        guard let chunks = event.chunks else { return "resumed: part of it is there already\n" }
        return "resumed: \(chunks)\(totalChunks.map { " of \($0)" } ?? "") chunks are there already\n"
    }

    private static func title(_ model: String, _ revision: String?) -> String {
        guard let revision, !revision.isEmpty else { return escaped(model) }
        return "\(escaped(model)) (revision \(escaped(revision)))"
    }

    private static func mark(_ word: String, _ colour: String, _ terminal: Terminal?) -> String {
        terminal?.hasColours == true ? "\u{1b}[\(colour)m\(word)\u{1b}[0m" : word
    }

    private static func escaped(_ text: String) -> String { TerminalText.escaped(text) }
}
