package import LocalAPI

/// Tables of what a peer knows.
package enum MeshReport {
    /// The most columns of a model's name, which people copy.
    private static let modelLimit = 96

    /// A table of peers; a sentence that says what to do when there is none.
    package static func peers(_ peers: [PeerView]) -> String {
        guard !peers.isEmpty else {
            return "No peers are known. Start one with `modelexpress serve FOLDER`, or tell this one where others are "
                + "with --peers HOST:PORT.\n"
        }
        var table = TextTable([
            .init("PEER"), .init("NAME"), .init("ADDRESS", limit: 64), .init("ZONE"), .init("ROLES"), .init("LINK"),
            .init("SLOTS", .right), .init("SERVED", .right), .init("RECEIVED", .right), .init("VALID", .right),
        ])
        for peer in peers {
            table.add([
                short(peer.peer), peer.name, address(peer.address, peer.bootstrapPort), dash(peer.zone),
                peer.roles.joined(separator: ","), peer.isSelf ? "self" : peer.isNeighbour ? "neighbour" : "-",
                "\(peer.slotsInUse)/\(peer.slots)", QuantityText.bytes(peer.bytesServed),
                QuantityText.bytes(peer.bytesReceived), QuantityText.duration(seconds: peer.validForSeconds),
            ])
        }
        return table.text
    }

    /// A table of who offers which model.
    package static func sources(_ sources: [SourceView]) -> String {
        guard !sources.isEmpty else {
            return "No sources are known. Offer a model with `modelexpress serve FOLDER`.\n"
        }
        var table = TextTable([
            .init("MODEL", limit: modelLimit), .init("REVISION"), .init("STAGE"), .init("RANK", .right), .init("PEER"),
            .init("NAME"), .init("STATE"), .init("HAS", .right), .init("SIZE", .right), .init("LANES"),
            .init("SLOTS", .right), .init("MANIFEST"),
        ])
        for source in sources {
            table.add([
                source.model, dash(source.revision), source.stage, "\(source.rank)", short(source.peer), source.name,
                source.state, share(source.coverage), QuantityText.bytes(source.bytes),
                source.lanes.joined(separator: ","), "\(source.slotsInUse)/\(source.slots)", short(source.manifest),
            ])
        }
        return table.text
    }

    private static func words(of engine: EngineView) -> String {
        var text = engine.phase
        if let model = engine.model { text += ", \(model) rank \(engine.rank ?? 0)" }
        if engine.manifest != nil { text += ", offers \(Int((engine.coverage * 100).rounded(.down)))%" }
        return text
    }

    /// What a process says of itself, a line each.
    package static func status(_ status: StatusView) -> String {
        var lines = [
            ("program", status.program), ("state", status.state), ("peer", "\(short(status.peer)) (\(status.name))"),
            ("cluster", short(status.cluster)), ("address", address(status.address, status.bootstrapPort)),
            (
                "ports",
                "bootstrap \(status.bootstrapPort), control \(status.controlPort), gossip \(status.gossipPort), "
                    + "data \(status.dataPort)"
            ),
            ("mesh", "\(status.peers) peers known, \(status.neighbours) neighbours"),
            ("served", "\(QuantityText.bytes(status.bytesServed)), \(status.slotsInUse) readers now"),
            ("received", QuantityText.bytes(status.bytesReceived)),
        ]
        if let store = status.store { lines.append(("store", store)) }
        for engine in status.engines ?? [] { lines.append(("worker \(engine.worker)", words(of: engine))) }
        return lines.map { name, value in
            let padding = String(repeating: " ", count: 10 - name.count)
            return "\(name)\(padding)\(TerminalText.escaped(value))\n"
        }.joined()
    }

    /// The digits of a peer, cluster or manifest that people compare.
    static func short(_ identifier: String) -> String { String(identifier.prefix(12)) }

    private static func dash(_ text: String) -> String { text.isEmpty ? "-" : text }

    private static func share(_ coverage: Double) -> String {
        coverage.isFinite ? "\(QuantityText.fixed(min(max(coverage, 0), 1) * 100, 0))%" : "-"
    }

    private static func address(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
