import Mesh
package import PeerLogic
package import Records

/// What a peer knows, in the shapes that people and machines get.
extension PeerView {
    package static func all(of logic: PeerLogic, now: Moment) -> [PeerView] {
        logic.mesh.knownPeers.compactMap { peer in
            guard let record = logic.mesh.peerRecord(of: peer) else { return nil }
            let beacon = logic.mesh.beacon(of: peer)
            let remaining = (logic.mesh.validUntil(of: peer) ?? now.wall) - now.wall
            return PeerView(
                peer: peer.description, name: record.name, zone: record.zone, address: record.endpoints.host,
                bootstrapPort: Int(record.endpoints.bootstrapPort), roles: record.chain.certificate.value.roles.words,
                token: record.chain.certificate.value.token.description,
                isNeighbour: logic.mesh.isNeighbour(peer), isSelf: peer == logic.local,
                slotsInUse: Int(beacon?.slotsInUse ?? 0), slots: Int(beacon?.slots ?? 0),
                bytesServed: beacon?.bytesServed ?? 0, bytesReceived: beacon?.bytesReceived ?? 0,
                validForSeconds: Double(max(remaining, 0)) / 1000)
        }
    }
}

extension SourceView {
    package static func all(of logic: PeerLogic, now: Moment) -> [SourceView] {
        logic.mesh.sources(atWall: now.wall).map { source in
            let announcement = source.announcement
            return SourceView(
                model: announcement.identity.model, revision: announcement.identity.revision,
                stage: announcement.identity.stage.word, rank: Int(announcement.rank),
                peer: source.peerID.description, name: source.peer.name,
                manifest: announcement.manifest?.description ?? "",
                introduction: announcement.introduction?.description, state: announcement.state.word,
                coverage: Double(announcement.coverageEighths) / Double(Announcement.fullCoverage),
                bytes: announcement.totalBytes, lanes: announcement.lanes.map(\.word),
                slotsInUse: Int(source.beacon?.slotsInUse ?? 0), slots: Int(announcement.slots))
        }
    }
}

extension StatusView {
    /// - Parameters:
    ///   - endpoints: as they were bound.
    ///   - store: a server's word about its store.
    package static func of(
        _ logic: PeerLogic, program: String, state: String, endpoints: Endpoints, dataPort: UInt16,
        store: String? = nil
    ) -> StatusView {
        StatusView(
            program: program, state: state, peer: logic.local.description,
            name: logic.configuration.presence.name, cluster: logic.certificate.cluster.description,
            address: endpoints.host, bootstrapPort: Int(endpoints.bootstrapPort),
            controlPort: Int(endpoints.controlPort), gossipPort: Int(endpoints.gossipPort), dataPort: Int(dataPort),
            neighbours: logic.mesh.neighbourCount, peers: logic.mesh.knownPeers.count, slotsInUse: logic.slotsInUse,
            bytesServed: logic.traffic.served, bytesReceived: logic.traffic.received, store: store)
    }
}
