import LocalAPI
import Mesh
import Records

/// One look at the mesh, from which every part of an overview is cut.
struct OverviewBase: Sendable {
    /// Zones and quarantined peers that are listed.
    private static let zones = 12
    private static let quarantined = 16
    /// Transfers in flight that are listed.
    private static let transfers = 50

    struct Peer: Sendable {
        let look: MeshLook.Peer
        let serving: Double
        let receiving: Double
    }

    let server: OverviewServer
    let look: MeshLook
    let watch: MeshWatch
    let pool: OverviewPool
    /// The busiest first, then by name.
    let peers: [Peer]
    let models: [OverviewModel]
    /// By model, revision and rank, then by name.
    let sources: [OfferedSource]

    init(
        server: OverviewServer, look: MeshLook, watch: MeshWatch, pool: OverviewPool = OverviewPool(isPresent: false)
    ) {
        self.pool = pool
        self.server = server
        self.look = look
        self.watch = watch
        peers = look.peers.map { peer in
            let speed = watch.speed(of: peer.id)
            return Peer(look: peer, serving: speed?.serving ?? 0, receiving: speed?.receiving ?? 0)
        }.sorted(by: Self.isBusier)
        models = ModelTally.models(of: look.sources)
        sources = look.sources.sorted(by: Self.precedes)
    }

    private static func isBusier(_ left: Peer, _ right: Peer) -> Bool {
        let speeds = (left.serving + left.receiving, right.serving + right.receiving)
        if speeds.0 != speeds.1 { return speeds.0 > speeds.1 }
        if left.look.record.name != right.look.record.name { return left.look.record.name < right.look.record.name }
        return left.look.id < right.look.id
    }

    private static func precedes(_ left: OfferedSource, _ right: OfferedSource) -> Bool {
        let (first, second) = (left.announcement, right.announcement)
        if first.identity.model != second.identity.model { return first.identity.model < second.identity.model }
        if first.identity.revision != second.identity.revision {
            return first.identity.revision < second.identity.revision
        }
        if first.rank != second.rank { return first.rank < second.rank }
        return (left.peer.name, left.peerID) < (right.peer.name, right.peerID)
    }

    // MARK: Parts that are always the same

    var mesh: OverviewMesh {
        OverviewMesh(
            peers: look.peers.count, neighbours: look.neighbours, channels: look.channels, records: look.records,
            revocations: look.revocations, quarantined: look.quarantined.count,
            quarantinedPeers: look.quarantined.prefix(Self.quarantined).map(\.description),
            clockOffsetMilliseconds: look.clockOffset,
            beaconSeconds: Double(look.beaconPeriod) / Double(Duration64.second), termSeconds: Double(look.term) / 1000,
            lastCompared: look.lastCompared)
    }

    var load: OverviewLoad {
        var load = OverviewLoad(
            receivingBytesPerSecond: 0, slotsInUse: 0, slots: 0, bytesReceived: 0, bytesServed: 0, zones: [],
            zonesTotal: 0)
        var zones: [String: OverviewZone] = [:]
        for peer in peers {
            let beacon = peer.look.beacon
            let name = peer.look.record.zone
            var zone =
                zones[name]
                ?? OverviewZone(zone: name, peers: 0, slotsInUse: 0, slots: 0, receivingBytesPerSecond: 0)
            zone.peers += 1
            zone.slotsInUse += Int(beacon?.slotsInUse ?? 0)
            zone.slots += Int(beacon?.slots ?? 0)
            zone.receivingBytesPerSecond += peer.receiving
            zones[name] = zone
            load.slotsInUse += Int(beacon?.slotsInUse ?? 0)
            load.slots += Int(beacon?.slots ?? 0)
            load.receivingBytesPerSecond += peer.receiving
            load.bytesReceived = load.bytesReceived.addingSaturated(beacon?.bytesReceived ?? 0)
            load.bytesServed = load.bytesServed.addingSaturated(beacon?.bytesServed ?? 0)
        }
        load.zones = Array(
            zones.values.sorted { $0.peers != $1.peers ? $0.peers > $1.peers : $0.zone < $1.zone }.prefix(Self.zones))
        load.zonesTotal = zones.count
        return load
    }

    var history: OverviewHistory {
        let samples = watch.history.samples
        return OverviewHistory(
            secondsBetween: Double(MeshWatch.samplePeriod), end: watch.history.end,
            receivingBytesPerSecond: samples.map { $0.receiving.rounded() }, peers: samples.map(\.peers),
            slotsInUse: samples.map(\.slotsInUse), slots: samples.map(\.slots))
    }

    var transfers: OverviewTransfers {
        let latest = watch.inFlight.values.sorted {
            $0.began != $1.began ? $0.began > $1.began : ($0.peer, $0.name) < ($1.peer, $1.name)
        }
        return OverviewTransfers(
            inFlightTotal: latest.count, inFlight: latest.prefix(Self.transfers).map(transfer),
            endedTotal: watch.endedTotal, ended: watch.ended.reversed().map(transfer))
    }

    private func transfer(_ watched: WatchedTransfer) -> OverviewTransfer {
        let announcement = watched.announcement
        let state = announcement.state == .live ? "partial" : announcement.state.word
        return OverviewTransfer(
            peer: watched.peer.description, name: watched.name, model: announcement.identity.model,
            revision: announcement.identity.revision, rank: Int(announcement.rank),
            state: watched.ending?.rawValue ?? state, coverageEighths: Int(announcement.coverageEighths),
            bytes: announcement.totalBytes,
            receivingBytesPerSecond: watched.ended == nil ? watch.speed(of: watched.peer)?.receiving ?? 0 : 0,
            began: watched.began, ended: watched.ended)
    }
}

extension UInt64 {
    /// Numbers of peers are taken as they come, so a sum may not fit.
    func addingSaturated(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
