import Digest
import Records

@testable import Mesh

/// A signature that proves nothing outside a test.
private func toySignature(_ message: [UInt8], by key: Digest256) -> Signature {
    let digest = BLAKE2b.digest(key.bytes + message).bytes
    guard let signature = Signature(digest + digest) else { preconditionFailure("two digests are 64 bytes") }
    return signature
}

/// Believes every chain but those it is told not to; frames must be signed by their author.
struct ToyAuthority: MeshAuthority {
    static let cluster = ClusterID(.zero)
    let local: PeerID
    var distrusted: Set<PeerID> = []
    var isPermitting = true
    /// Chains that it was asked about.
    private(set) var judged = 0

    mutating func accepts(_ chain: CertificateChain, now: Moment) -> Bool {
        judged += 1
        return !distrusted.contains(chain.peer)
    }

    func isAuthentic(_ frame: SignedFrame, by chain: CertificateChain) -> Bool {
        frame.signature == toySignature(frame.signingBytes(cluster: Self.cluster), by: chain.peer.digest)
    }

    func permits(_ announcement: Announcement, by chain: CertificateChain) -> Bool { isPermitting }

    func frame<Record: SignedRecord>(_ record: Record) -> SignedFrame { Self.frame(record, by: local) }

    /// Notices that are believed; all others are refused.
    var believed: Set<[UInt8]> = []
    private(set) var revocations: [[UInt8]] = []

    mutating func take(revocation bytes: [UInt8], now: Moment) -> RevocationVerdict {
        guard believed.contains(bytes) else { return .refused(.untrusted) }
        guard !revocations.contains(bytes) else { return .known }
        revocations.append(bytes)
        return .new(id: BLAKE2b.digest(bytes), until: .max)
    }

    var revocationDigest: UInt64 { revocations.reduce(0) { $0 ^ BLAKE2b.digest($1).leadingWord } }

    static func frame<Record: SignedRecord>(_ record: Record, by author: PeerID) -> SignedFrame {
        let payload = record.encoded
        let signature = toySignature(Record.purpose.signingBytes(cluster: cluster, payload: payload), by: author.digest)
        return SignedFrame(purpose: Record.purpose, author: author, payload: payload, signature: signature)
    }
}

/// Makers of what a peer says about itself, as others get it.
struct ToyOwner {
    let id: PeerID
    let curveKey: CurveKey

    init(_ name: String) {
        id = PeerID(BLAKE2b.digest(Array(name.utf8)))
        curveKey = CurveKey(BLAKE2b.digest(Array("curve \(name)".utf8)))
    }

    /// As a later release may make it, with a kind of lane that this one doesn't know.
    func announcementWithUnknownLane(_ number: UInt64, at wall: Int64) -> [UInt8] {
        let announcement = Announcement(
            version: Version(incarnation: 1, sequence: number), validity: Validity(issuedAt: wall, term: 8_000),
            identity: SourceIdentity(model: "m", revision: "main", stage: .files), rank: 0, state: .live,
            manifest: nil, introduction: nil, coverageEighths: 8, totalBytes: 1, lanes: [.tcp], slots: 1,
            deviceKind: "")
        var payload = announcement.encoded
        // Behind the lane come two bytes of slots and the four of an empty kind of device.
        payload[payload.count - 7] = 200
        return SignedFrame(
            purpose: .announcement, author: id, payload: payload, signature: toySignature([], by: id.digest)
        ).encoded
    }

    var chain: CertificateChain { chain(prefixes: [""]) }

    func chain(prefixes: [String]) -> CertificateChain {
        let grant = TokenGrant(
            cluster: ToyAuthority.cluster, delegatedKey: .zero, roles: .all, modelPrefixes: prefixes,
            certificateLife: 1,
            longestTerm: 60_000, notBefore: 0, notAfter: .max)
        let certificate = Certificate(
            cluster: ToyAuthority.cluster, token: grant.id, peer: id, curveKey: curveKey, roles: .all, notBefore: 0,
            notAfter: .max)
        let signature = toySignature([], by: .zero)
        return CertificateChain(
            grant: SignedPayload(grant, payload: grant.encoded, signature: signature),
            certificate: SignedPayload(certificate, payload: certificate.encoded, signature: signature))
    }

    func record(
        _ sequence: UInt64 = 1, incarnation: UInt64 = 1, at wall: Int64, term: Int64 = 8_000, isDeparting: Bool = false
    ) -> [UInt8] {
        let record = PeerRecord(
            version: Version(incarnation: incarnation, sequence: sequence),
            validity: Validity(issuedAt: wall, term: term), chain: chain,
            endpoints: Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3), name: "n", zone: "",
            host: "", isDeparting: isDeparting)
        return ToyAuthority.frame(record, by: id).encoded
    }

    func announcement(
        _ model: String, _ sequence: UInt64 = 2, incarnation: UInt64 = 1, at wall: Int64, term: Int64 = 8_000,
        state: AnnouncementState = .live, slots: UInt16 = 2, padding: String = ""
    ) -> [UInt8] {
        let announcement = Announcement(
            version: Version(incarnation: incarnation, sequence: sequence),
            validity: Validity(issuedAt: wall, term: term),
            identity: SourceIdentity(
                model: model, revision: "r", stage: .files, dtype: padding, quantisation: padding), rank: 0,
            state: state, manifest: ManifestID(.zero), introduction: nil, coverageEighths: 8, totalBytes: 1,
            lanes: [.tcp], slots: slots, deviceKind: padding)
        return ToyAuthority.frame(announcement, by: id).encoded
    }

    /// A snapshot of one page, whole and signed. Nil for `count` and `digest`: what the frames make.
    func page(
        _ frames: [[UInt8]], offset: UInt32 = 0, sequence: UInt64 = 1, filter: SnapshotFilter = .everything,
        count: UInt32? = nil, digest: Digest256? = nil
    ) -> SnapshotPage {
        var hash = BLAKE2b()
        for frame in frames { hash.update(BLAKE2b.digest(frame).bytes) }
        let manifest = SnapshotManifest(
            epoch: 1, sequence: sequence, madeAt: 0, filter: filter.digest,
            count: count ?? UInt32(frames.count), peers: 1, digest: digest ?? hash.finish())
        return SnapshotPage(
            manifest: ToyAuthority.frame(manifest, by: id).encoded, offset: offset, frames: frames)
    }

    func beacon(_ sequence: UInt64 = 1, at wall: Int64, term: Int64 = 8_000) -> [UInt8] {
        let beacon = Beacon(
            version: Version(incarnation: 1, sequence: sequence), validity: Validity(issuedAt: wall, term: term),
            recordSet: .zero, slotsInUse: 0, slots: 0, bytesServed: 0, bytesReceived: 0)
        return ToyAuthority.frame(beacon, by: id).encoded
    }
}

/// One mesh with its authority and its clock.
struct MeshPeer {
    static let epoch: Int64 = 1_700_000_000_000
    let owner: ToyOwner
    var authority: ToyAuthority
    var mesh: Mesh
    var now = Moment(monotonic: 0, wall: epoch)
    /// Its record of itself, as it published it.
    private(set) var ownFrame: [UInt8] = []

    init(_ name: String, configuration: MeshConfiguration = MeshConfiguration(), seeds: [String] = []) {
        owner = ToyOwner(name)
        authority = ToyAuthority(local: owner.id)
        mesh = Mesh(
            local: owner.id, configuration: configuration, presence: OwnPresence(name: name, zone: "", host: ""),
            incarnation: 1, seeds: seeds, generator: SeededGenerator(seed: 1))
        _ = mesh.present(
            chain: owner.chain, endpoints: Endpoints(host: "h", bootstrapPort: 1, controlPort: 2, gossipPort: 3),
            now: now, authority: &authority)
        for case .record(_, owner.id, _, .peerRecord, _, let frame) in mesh.everything() { ownFrame = frame }
    }

    mutating func handle(_ event: MeshEvent) -> [MeshEffect] {
        mesh.handle(event, now: now, authority: &authority)
    }

    mutating func announce(_ model: String, state: AnnouncementState = .live) {
        let offer = OwnOffer(
            identity: SourceIdentity(model: model, revision: "r", stage: .files), rank: 0, state: state,
            manifest: ManifestID(.zero), introduction: nil, coverageEighths: 8, totalBytes: 1, lanes: [.tcp], slots: 2)
        _ = mesh.announce(offer, now: now, authority: &authority)
    }

    mutating func wait(milliseconds: UInt64) {
        now = now.advanced(byNanoseconds: milliseconds * Duration64.millisecond)
    }

    /// Lets `other` become a neighbour: greetings and request, without a network.
    /// The snapshot that a newcomer asks for is not answered, and not waited for.
    mutating func meet(_ other: ToyOwner) {
        _ = handle(.hello(curveKey: other.curveKey, record: other.record(at: now.wall)))
        _ = handle(.message(from: other.id, .welcome(record: other.record(at: now.wall))))
        _ = handle(.message(from: other.id, .neighbourRequest(isShort: true)))
        mesh.taking = nil
    }

    mutating func meet(_ other: MeshPeer) {
        _ = handle(.hello(curveKey: other.owner.curveKey, record: other.ownFrame))
        _ = handle(.message(from: other.owner.id, .welcome(record: other.ownFrame)))
        _ = handle(.message(from: other.owner.id, .neighbourRequest(isShort: true)))
        mesh.taking = nil
    }

    var models: [String] { mesh.sources(atWall: now.wall).map(\.announcement.identity.model).sorted() }

    static func refusals(_ effects: [MeshEffect]) -> [RefusedFrame] {
        effects.compactMap { if case .changed(.refused(_, let reason)) = $0 { reason } else { nil } }
    }

    /// Carries messages between two peers until neither has more to say; gives their number.
    static func talk(_ left: inout MeshPeer, _ right: inout MeshPeer, beginning: [MeshEffect]) -> Int {
        var waiting = beginning.map { (isFromLeft: true, effect: $0) }
        var carried = 0
        while let next = waiting.first, carried < 1_000 {
            waiting.removeFirst()
            guard case .send(let to, let message) = next.effect else { continue }
            if next.isFromLeft, to == right.owner.id {
                carried += 1
                waiting += right.handle(.message(from: left.owner.id, message)).map { (false, $0) }
            } else if !next.isFromLeft, to == left.owner.id {
                carried += 1
                waiting += left.handle(.message(from: right.owner.id, message)).map { (true, $0) }
            }
        }
        return carried
    }
}
