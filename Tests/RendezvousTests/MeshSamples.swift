import Digest
import LocalAPI
import Mesh
import Records

@testable import Rendezvous

/// Peers and what they say, as a mesh tells it. Nothing here is checked by signature any more.
enum MeshSamples {
    static func digest(_ word: String) -> Digest256 { BLAKE2b.digest(Array(word.utf8)) }

    static func peer(_ name: String) -> PeerID { PeerID(digest("peer \(name)")) }

    private static func signed<Value: SignedRecord>(_ value: Value) -> SignedPayload<Value> {
        SignedPayload(value, payload: value.encoded, signature: signature)
    }

    private static let signature: Signature = {
        guard let signature = Signature([UInt8](repeating: 7, count: Signature.byteCount)) else {
            preconditionFailure("a signature has as many bytes")
        }
        return signature
    }()

    static func record(_ name: String, zone: String = "", roles: Roles = [.reader, .relay]) -> PeerRecord {
        let grant = TokenGrant(
            cluster: ClusterID(digest("cluster")), delegatedKey: digest("delegate"), roles: roles, modelPrefixes: [""],
            certificateLife: 1000, longestTerm: 60_000, peers: 9, notBefore: 0, notAfter: 1_000_000)
        let certificate = Certificate(
            cluster: grant.cluster, token: grant.id, peer: peer(name), curveKey: CurveKey(digest("curve \(name)")),
            roles: roles, notBefore: 0, notAfter: 1000)
        return PeerRecord(
            version: Version(incarnation: 1, sequence: 1), validity: Validity(issuedAt: 0, term: 8000),
            chain: CertificateChain(grant: signed(grant), certificate: signed(certificate)),
            endpoints: Endpoints(host: "10.0.0.1", bootstrapPort: 1, controlPort: 2, gossipPort: 3), name: name,
            zone: zone, host: "")
    }

    static func beacon(
        issuedAt: Int64, served: UInt64 = 0, received: UInt64 = 0, slotsInUse: UInt16 = 0, slots: UInt16 = 2,
        incarnation: UInt64 = 1
    ) -> Beacon {
        Beacon(
            version: Version(incarnation: incarnation, sequence: UInt64(max(issuedAt, 0))),
            validity: Validity(issuedAt: issuedAt, term: 8000), recordSet: digest("set"), slotsInUse: slotsInUse,
            slots: slots, bytesServed: served, bytesReceived: received)
    }

    static func announcement(
        _ model: String, eighths: UInt8, state: AnnouncementState = .live, rank: UInt32 = 0, bytes: UInt64 = 800,
        dtype: String = ""
    ) -> Announcement {
        Announcement(
            version: Version(incarnation: 1, sequence: 1), validity: Validity(issuedAt: 0, term: 8000),
            identity: SourceIdentity(model: model, revision: "main", stage: .files, dtype: dtype), rank: rank,
            state: state, manifest: nil, introduction: nil, coverageEighths: eighths, totalBytes: bytes, lanes: [.tcp],
            slots: 2, deviceKind: "cpu")
    }

    // MARK: As changes of a mesh

    private static func frame<Value: SignedRecord>(_ value: Value, _ author: PeerID) -> [UInt8] {
        SignedFrame(purpose: Value.purpose, author: author, payload: value.encoded, signature: signature).encoded
    }

    private static func change<Value: SignedRecord>(_ value: Value, _ name: String, _ id: String) -> MeshChange {
        .record(
            id: RecordID(digest(id)), owner: peer(name), version: Version(incarnation: 1, sequence: 1),
            purpose: Value.purpose, validUntil: 8000, frame: frame(value, peer(name)))
    }

    static func came(_ name: String) -> MeshChange { change(record(name), name, "peer \(name)") }

    static func announced(_ announcement: Announcement, by name: String) -> MeshChange {
        change(announcement, name, "\(name) \(announcement.identity.model) \(announcement.rank)")
    }

    static func renewed(_ name: String, _ beacon: Beacon) -> MeshChange {
        .renewed(
            owner: peer(name), validUntil: 8000, version: beacon.version, beacon: frame(beacon, peer(name)))
    }

    // MARK: As one look

    static func look(peers: [(PeerRecord, Beacon?)], sources: [(PeerRecord, Announcement)] = []) -> MeshLook {
        MeshLook(
            local: peer("server"), name: "server", cluster: "beef",
            peers: peers.map { record, beacon in
                MeshLook.Peer(
                    id: record.chain.certificate.value.peer, record: record, beacon: beacon, link: .none,
                    validUntil: 8000)
            },
            sources: sources.map { record, announcement in
                OfferedSource(
                    peer: record, peerID: record.chain.certificate.value.peer, announcement: announcement, beacon: nil)
            }, neighbours: 1, channels: 1, records: 1, revocations: 0, quarantined: [], clockOffset: nil,
            beaconPeriod: 2_000_000_000, term: 8000, lastCompared: nil)
    }

    static func base(_ look: MeshLook, watch: MeshWatch = MeshWatch()) -> OverviewBase {
        OverviewBase(
            server: OverviewServer(
                name: "server", peer: "", cluster: "", version: "", state: "ok", reasons: [], store: "connected",
                storeWaiting: 0, started: 0, time: 0), look: look, watch: watch)
    }
}
