import Mesh
import PeerLogic
import Records

/// What is copied out of the peer for one overview: little work on the peer's thread, all texts are made elsewhere.
struct MeshLook: Sendable {
    struct Peer: Sendable {
        enum Link: String, Sendable {
            case own = "self"
            case neighbour
            case channel
            case none
        }

        let id: PeerID
        let record: PeerRecord
        let beacon: Beacon?
        let link: Link
        /// Milliseconds since 1970.
        let validUntil: Int64
    }

    var local: PeerID
    var name: String
    var cluster: String
    var peers: [Peer]
    var sources: [OfferedSource]
    var neighbours: Int
    var channels: Int
    var records: Int
    var revocations: Int
    var quarantined: [PeerID]
    var clockOffset: Int64?
    var beaconPeriod: UInt64
    var term: Int64
    /// Milliseconds since 1970.
    var lastCompared: Int64?
}

extension MeshLook {
    /// What the peer knows now.
    init(_ logic: PeerLogic, now: Moment) {
        let mesh = logic.mesh
        local = logic.local
        name = logic.configuration.presence.name
        cluster = logic.certificate.cluster.description
        peers = mesh.knownPeers.compactMap { id in
            guard let record = mesh.peerRecord(of: id) else { return nil }
            let link: Peer.Link =
                if id == mesh.local { .own } else if mesh.isNeighbour(id) { .neighbour } else {
                    mesh.hasChannel(to: id) ? .channel : .none
                }
            return Peer(
                id: id, record: record, beacon: mesh.beacon(of: id), link: link,
                validUntil: mesh.validUntil(of: id) ?? now.wall)
        }
        sources = mesh.sources(atWall: now.wall)
        neighbours = mesh.neighbourCount
        channels = mesh.channelCount
        records = mesh.recordCount
        revocations = logic.revocationCount
        quarantined = mesh.quarantinedPeers
        clockOffset = mesh.clockOffset
        beaconPeriod = mesh.presentPreset.beaconPeriod
        term = mesh.presentPreset.term
        // Whole seconds: the two clocks are not read at the same instant.
        lastCompared = mesh.lastCompared.map {
            (now.wall - Int64((now.monotonic - min($0, now.monotonic)) / Duration64.millisecond)) / 1000 * 1000
        }
    }
}
