import LocalAPI

/// What a complete pull leaves on the screen: who gave how much, and the totals.
enum PullReport {
    static func text(_ event: JobEvent, _ name: String) -> String {
        var text = ": \(name)"
        if let directory = event.directory { text += " is in \(TerminalText.escaped(directory))" }
        text += "\n"
        let totals = totals(event)
        if !totals.isEmpty { text += "\(totals.joined(separator: ", "))\n" }
        if let sources = event.sources, !sources.isEmpty { text += table(sources) }
        return text
    }

    static func table(_ sources: [PullSourceView]) -> String {
        var table = TextTable([
            .init("SOURCE"), .init("NAME"), .init("LANE"), .init("BYTES", .right), .init("SHARE", .right),
            .init("CHUNKS", .right), .init("FAILURES", .right), .init("NOTE", limit: 60),
        ])
        let total = sources.reduce(0.0) { $0 + Double($1.bytes) }
        // What was never asked is for the report file.
        for source in sources where source.bytes > 0 || source.failures > 0 || source.engagedAfterSeconds != nil {
            let share = total > 0 ? Double(source.bytes) / total * 100 : 0
            table.add([
                MeshReport.short(source.peer), source.name, source.lane, QuantityText.bytes(source.bytes),
                "\(QuantityText.fixed(share, 0))%", "\(source.chunks)", "\(source.failures)", source.note,
            ])
        }
        return table.text
    }

    /// A source in a sentence.
    static func title(_ source: PullSourceView) -> String {
        let peer = TerminalText.escaped(MeshReport.short(source.peer))
        return source.name.isEmpty ? peer : "\(peer) (\(TerminalText.escaped(source.name)))"
    }

    /// For a pull that had a part already.
    private static func resumed(_ event: JobEvent) -> String {
        guard let received = event.bytes, let total = event.totalBytes, received < total else { return "" }
        return " of \(QuantityText.bytes(total)) received"
    }

    private static func totals(_ event: JobEvent) -> [String] {
        var parts: [String] = []
        if let bytes = event.bytes ?? event.totalBytes { parts.append(QuantityText.bytes(bytes) + resumed(event)) }
        if let chunks = event.chunks ?? event.totalChunks { parts.append("\(chunks) chunks") }
        if let seconds = event.seconds { parts.append("\(QuantityText.fixed(seconds, 2)) s") }
        if let rate = event.gigabytesPerSecond { parts.append(QuantityText.rate(gigabytesPerSecond: rate)) }
        if let integrity = event.integrity { parts.append("integrity \(TerminalText.escaped(integrity))") }
        return parts
    }
}
