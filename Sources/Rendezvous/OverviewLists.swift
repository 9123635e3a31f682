import HTTPFace
import LocalAPI
import Mesh
import Records

/// The parts of an overview that are asked for page by page.
extension OverviewBase {
    func overview(_ query: RequestQuery) -> OverviewView {
        OverviewView(
            server: server, mesh: mesh, load: load, history: history,
            peers: peerPage(OverviewQuery("peers", in: query)), models: modelPage(OverviewQuery("models", in: query)),
            sources: sourcePage(OverviewQuery("sources", in: query)), transfers: transfers,
            pool: pool)
    }

    private func peerPage(_ query: OverviewQuery) -> OverviewPage<OverviewPeer> {
        let table = OverviewTable<Peer>(
            rows: peers,
            text: {
                let record = $0.look.record
                let roles = record.chain.certificate.value.roles.words.joined(separator: " ")
                return
                    "\(record.name)\n\(record.zone)\n\($0.look.id)\n\(record.endpoints.host)\n\(roles)\n\($0.look.link)"
            },
            orders: [
                "name": { $0.look.record.name < $1.look.record.name },
                "zone": { $0.look.record.zone < $1.look.record.zone },
                "link": { $0.look.link.rawValue < $1.look.link.rawValue },
                "slots": { Self.load($0.look.beacon) < Self.load($1.look.beacon) },
                "receiving": { $0.receiving < $1.receiving },
                "serving": { $0.serving < $1.serving },
                "received": { ($0.look.beacon?.bytesReceived ?? 0) < ($1.look.beacon?.bytesReceived ?? 0) },
                "served": { ($0.look.beacon?.bytesServed ?? 0) < ($1.look.beacon?.bytesServed ?? 0) },
                "valid": { $0.look.validUntil < $1.look.validUntil },
            ])
        let (matching, offset, rows) = table.page(query)
        return OverviewPage(total: peers.count, matching: matching, offset: offset, rows: rows.map(Self.view))
    }

    private func modelPage(_ query: OverviewQuery) -> OverviewPage<OverviewModel> {
        let table = OverviewTable<OverviewModel>(
            rows: models, text: { "\($0.model)\n\($0.revision)\n\($0.stage)\n\($0.variant)" },
            orders: [
                "model": { $0.model < $1.model },
                "bytes": { $0.bytes < $1.bytes },
                "copies": { $0.copies < $1.copies },
                "partial": { $0.partial + $0.wanting < $1.partial + $1.wanting },
                "sources": { $0.sources < $1.sources },
                "slots": { $0.slotsInUse < $1.slotsInUse },
            ])
        let (matching, offset, rows) = table.page(query)
        return OverviewPage(total: models.count, matching: matching, offset: offset, rows: rows)
    }

    private func sourcePage(_ query: OverviewQuery) -> OverviewPage<OverviewSource> {
        let table = OverviewTable<OfferedSource>(
            rows: sources,
            text: {
                let (announcement, identity) = ($0.announcement, $0.announcement.identity)
                let lanes = announcement.lanes.map(\.word).joined(separator: " ")
                return "\(identity.model)\n\(identity.revision)\n\(identity.stage)\n\($0.peer.name)\n\($0.peerID)\n"
                    + "\(announcement.state)\n\(lanes)\n\($0.peer.zone)"
            },
            orders: [
                "model": { $0.announcement.identity.model < $1.announcement.identity.model },
                "rank": { $0.announcement.rank < $1.announcement.rank },
                "name": { $0.peer.name < $1.peer.name },
                "state": { $0.announcement.state.word < $1.announcement.state.word },
                "coverage": { $0.announcement.coverageEighths < $1.announcement.coverageEighths },
                "bytes": { $0.announcement.totalBytes < $1.announcement.totalBytes },
                "slots": { Self.load($0.beacon) < Self.load($1.beacon) },
            ])
        let (matching, offset, rows) = table.page(query)
        return OverviewPage(total: sources.count, matching: matching, offset: offset, rows: rows.map(Self.view))
    }

    /// For the order by slots: in use first, then all.
    private static func load(_ beacon: Beacon?) -> UInt32 {
        UInt32(beacon?.slotsInUse ?? 0) << 16 | UInt32(beacon?.slots ?? 0)
    }

    private static func view(_ peer: Peer) -> OverviewPeer {
        let (record, beacon) = (peer.look.record, peer.look.beacon)
        let certificate = record.chain.certificate.value
        return OverviewPeer(
            peer: peer.look.id.description, name: record.name, zone: record.zone, address: record.endpoints.host,
            bootstrapPort: Int(record.endpoints.bootstrapPort), roles: certificate.roles.words,
            token: certificate.token.description, link: peer.look.link.rawValue,
            slotsInUse: Int(beacon?.slotsInUse ?? 0), slots: Int(beacon?.slots ?? 0),
            bytesServed: beacon?.bytesServed ?? 0, bytesReceived: beacon?.bytesReceived ?? 0,
            servingBytesPerSecond: peer.serving.rounded(), receivingBytesPerSecond: peer.receiving.rounded(),
            validUntil: peer.look.validUntil)
    }

    private static func view(_ source: OfferedSource) -> OverviewSource {
        let announcement = source.announcement
        return OverviewSource(
            model: announcement.identity.model, revision: announcement.identity.revision,
            stage: announcement.identity.stage.word, rank: Int(announcement.rank),
            peer: source.peerID.description, name: source.peer.name, state: announcement.state.word,
            coverageEighths: Int(announcement.coverageEighths), bytes: announcement.totalBytes,
            lanes: announcement.lanes.map(\.word), slotsInUse: Int(source.beacon?.slotsInUse ?? 0),
            slots: Int(announcement.slots), manifest: announcement.manifest?.description ?? "",
            introduction: announcement.introduction?.description ?? "")
    }
}
