import LocalAPI

/// What `peers --watch` draws: who came and went, who reads and serves how fast, and a line about the whole. Fed with one look
/// after the other.
struct PeersWatch {
    /// How long who came and who went is shown as such, seconds.
    static let newsLife = 10.0

    private struct Seen {
        var view: PeerView
        /// When it was first seen, seconds.
        var since: Double
        /// Bytes a second since the look before.
        var serves = 0.0
        var receives = 0.0
    }

    private var peers: [String: Seen] = [:]
    private var gone: [(view: PeerView, at: Double)] = []
    private var lastLook: Double?

    /// Takes a look at `now`, seconds on any clock that doesn't step.
    mutating func look(_ views: [PeerView], at now: Double) {
        let period = lastLook.map { now - $0 } ?? 0
        let present = Set(views.map(\.peer))
        for id in peers.keys.sorted() where !present.contains(id) {
            if let lost = peers.removeValue(forKey: id) { gone.append((lost.view, now)) }
        }
        gone.removeAll { now - $0.at > Self.newsLife || present.contains($0.view.peer) }
        for view in views {
            // Who is there at the first look is no news.
            var seen = peers[view.peer] ?? Seen(view: view, since: lastLook == nil ? -Self.newsLife : now)
            if period > 0 {
                seen.serves = Self.rate(from: seen.view.bytesServed, to: view.bytesServed, over: period)
                seen.receives = Self.rate(from: seen.view.bytesReceived, to: view.bytesReceived, over: period)
            }
            seen.view = view
            peers[view.peer] = seen
        }
        lastLook = now
    }

    /// At most `rows` lines, the busiest peers first, then news, then names.
    func text(rows: Int, status: StatusView? = nil) -> String {
        let now = lastLook ?? 0
        var lines = [summary(status)]
        var table = TextTable([
            .init(" "), .init("PEER"), .init("NAME"), .init("ZONE"), .init("ROLES"), .init("LINK"),
            .init("SLOTS", .right), .init("SERVES", .right), .init("RECEIVES", .right), .init("SERVED", .right),
            .init("RECEIVED", .right), .init("VALID", .right),
        ])
        let living = peers.values.sorted(by: precedes(at: now))
        let room = max(rows - 3, 1)
        let ghosts = gone.suffix(max(room / 4, 1))
        for (view, at) in ghosts { table.add(cells(Seen(view: view, since: at), mark: "-")) }
        for seen in living.prefix(room - ghosts.count) {
            table.add(cells(seen, mark: now - seen.since < Self.newsLife ? "+" : " "))
        }
        lines.append(table.text)
        let hidden = living.count - min(living.count, room - ghosts.count)
        if hidden > 0 { lines.append("... and \(hidden) more\n") }
        return lines.joined()
    }

    private func summary(_ status: StatusView?) -> String {
        let all = Array(peers.values)
        let arrived = all.count { (lastLook ?? 0) - $0.since < Self.newsLife }
        let slots = (all.reduce(0) { $0 + $1.view.slotsInUse }, all.reduce(0) { $0 + $1.view.slots })
        var parts = [
            "\(all.count) peers (\(arrived) came, \(gone.count) went in \(Int(Self.newsLife)) s)",
            "\(slots.0) of \(slots.1) slots in use",
            "\(Self.speed(all.reduce(0) { $0 + $1.receives })) between peers",
        ]
        if let status { parts.insert("seen by \(status.name): \(status.neighbours) neighbours", at: 1) }
        return parts.joined(separator: "; ") + "\n"
    }

    private func cells(_ seen: Seen, mark: String) -> [String] {
        let view = seen.view
        return [
            mark, MeshReport.short(view.peer), view.name, view.zone.isEmpty ? "-" : view.zone,
            view.roles.joined(separator: ","), view.isSelf ? "self" : view.isNeighbour ? "neighbour" : "-",
            "\(view.slotsInUse)/\(view.slots)", Self.speed(seen.serves), Self.speed(seen.receives),
            QuantityText.bytes(view.bytesServed), QuantityText.bytes(view.bytesReceived),
            mark == "-" ? "gone" : QuantityText.duration(seconds: view.validForSeconds),
        ]
    }

    private func precedes(at now: Double) -> (Seen, Seen) -> Bool {
        { left, right in
            let speeds = (left.serves + left.receives, right.serves + right.receives)
            if speeds.0 != speeds.1 { return speeds.0 > speeds.1 }
            let news = (now - left.since < Self.newsLife, now - right.since < Self.newsLife)
            if news.0 != news.1 { return news.0 }
            return (left.view.name, left.view.peer) < (right.view.name, right.view.peer)
        }
    }

    /// A peer that started again counts from nothing.
    private static func rate(from old: UInt64, to new: UInt64, over period: Double) -> Double {
        new > old ? Double(new - old) / period : 0
    }

    private static func speed(_ bytesPerSecond: Double) -> String {
        bytesPerSecond > 0 ? QuantityText.rate(gigabytesPerSecond: bytesPerSecond / 1e9) : "-"
    }
}
