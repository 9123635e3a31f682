import Digest
import Records

/// Values for the tests of records, different in every field.
enum RecordSamples {
    static func digest(_ word: String) -> Digest256 { SHA256.digest(Array(word.utf8)) }

    static let version = Version(incarnation: 1_700_000_000_123, sequence: 42)
    static let validity = Validity(issuedAt: 1_700_000_000_456, term: 8_000)
    static let endpoints = Endpoints(host: "fd00::7%eth0", bootstrapPort: 8012, controlPort: 8013, gossipPort: 8014)
    static let identity = SourceIdentity(
        model: "org/Näme", revision: "main", stage: .processed, dtype: "bf16", quantisation: "fp8", tensorParallel: 8,
        pipelineParallel: 2, expertParallel: 4)
    static let signature = Signature((0..<64).map { UInt8($0) })

    static func signed<Value: SignedRecord>(_ value: Value) -> SignedPayload<Value>? {
        signature.map { SignedPayload(value, payload: value.encoded, signature: $0) }
    }

    static let grant = TokenGrant(
        cluster: ClusterID(digest("cluster")), delegatedKey: digest("delegate"), roles: [.origin, .reader],
        modelPrefixes: ["", "org/"], certificateLife: 86_400_000, longestTerm: 60_000, peers: 300,
        notBefore: 5, notAfter: 1_800_000_000_000)

    static var chain: CertificateChain? {
        let certificate = Certificate(
            cluster: grant.cluster, token: grant.id, peer: PeerID(digest("peer")), curveKey: CurveKey(digest("curve")),
            roles: .reader, notBefore: -7, notAfter: 1_700_086_400_000)
        guard let grant = signed(grant), let certificate = signed(certificate) else { return nil }
        return CertificateChain(grant: grant, certificate: certificate)
    }

    static let revocation = Revocation(
        cluster: ClusterID(digest("cluster")), subject: .token(grant.id), notBefore: 1_700_000_600_000,
        until: 1_800_000_000_000, issuedAt: 1_700_000_000_000, reason: "läuft aus")

    static var revocationGrant: SignedPayload<RevocationGrant>? {
        signed(
            RevocationGrant(
                cluster: ClusterID(digest("cluster")), revocationKey: digest("revocation key"), notBefore: 9,
                notAfter: 1_900_000_000_000))
    }

    /// With a grant, and by the root.
    static var notices: [RevocationNotice] {
        guard let revocation = signed(revocation), let revocationGrant else { return [] }
        return [
            RevocationNotice(grant: revocationGrant, revocation: revocation),
            RevocationNotice(grant: nil, revocation: revocation),
        ]
    }

    static let announcement = Announcement(
        version: version, validity: validity, identity: identity, rank: 3, state: .live,
        manifest: ManifestID(digest("manifest")), introduction: IntroductionID(digest("introduction")),
        coverageEighths: 5, totalBytes: 140_000_000_000, lanes: [.sharedMemory, .tcp], slots: 2, deviceKind: "cpu")

    static let introduction = Introduction(
        source: identity.id, model: identity.model, stage: identity.stage, rank: 3,
        manifest: ManifestID(digest("manifest")), notBefore: 1, notAfter: 2, token: grant.id)

    static var proof: IntroductionProof? {
        guard let introduction = signed(introduction), let chain else { return nil }
        return IntroductionProof(introduction: introduction, author: chain)
    }

    static let beacon = Beacon(
        version: version, validity: validity, recordSet: digest("set"), slotsInUse: 1, slots: 2, bytesServed: 3,
        bytesReceived: .max)

    static var peerRecord: PeerRecord? {
        chain.map {
            PeerRecord(
                version: version, validity: validity, chain: $0, endpoints: endpoints, name: "vllm-0", zone: "a",
                host: "boot-1", isDeparting: true)
        }
    }

    static var frame: SignedFrame? {
        signature.map {
            SignedFrame(
                purpose: .announcement, author: PeerID(digest("peer")), payload: announcement.encoded, signature: $0)
        }
    }

    static var someChunks: ChunkSet {
        var set = ChunkSet(chunkCount: 70)
        for chunk in [0, 63, 64, 69] { set.insert(chunk) }
        return set
    }

    static let leaseGrant = LeaseGrant(
        lease: LeaseID(digest("lease")), manifest: ManifestID(digest("manifest")), generation: 9, duration: 10_000,
        window: 4, slot: 2, slots: 6, sessionKey: digest("session"),
        lanes: [
            LaneOffer(kind: .sharedMemory, address: "lane.sock", port: 0),
            LaneOffer(kind: .tcp, address: "10.0.0.7", port: 8015),
        ], haveMap: someChunks)

    static func manifest() throws -> Manifest {
        let storages = [
            Storage(name: "a", size: 10), Storage(name: "b/c", size: 0), Storage(name: "b/d", size: 5000),
        ]
        let tensor = Tensor(name: "w", dtype: "F32", shape: [2, 3], storage: 2, offset: 100, size: 24)
        let digests = (0..<2).map { ChunkDigests(crc32c: UInt32($0), strong: digest("chunk \($0)")) }
        return try Manifest(
            identity: identity, rank: 1, layout: Layout(storages: storages, chunkSize: 4096), tensors: [tensor],
            digests: digests)
    }

    /// One of each message, and of each form that a message can take.
    static var messages: [ControlMessage] {
        let (lease, manifest) = (LeaseID(digest("lease")), ManifestID(digest("manifest")))
        let stamp = RecordStamp(record: RecordID(digest("record")), version: version)
        let buckets = (0..<ControlMessage.bucketCount).map { UInt64($0) << 40 }
        return [
            .hello(record: [1, 2, 3]), .welcome(record: []), .ping(request: 1, isNeighbour: true), .pong(request: .max),
            .goodbye,
            .snapshotRequest(request: 2, filter: .everything, cursor: nil),
            .snapshotRequest(
                request: 2,
                filter: .interests([
                    SnapshotInterest(.source(SourceID(digest("source"))), rank: 1), SnapshotInterest(.model("m")),
                ]), cursor: SnapshotCursor(epoch: 1, sequence: 2, offset: 3)),
            .snapshotPage(request: 2, page: SnapshotPage(manifest: [9], offset: 4, frames: [[1], [], [2, 3]])),
            .snapshotPage(request: 2, page: SnapshotPage(manifest: [], offset: 0, frames: [])),
            .digestSummary(buckets: buckets, trust: 7),
            .neighbourRequest(isShort: true), .neighbourAnswer(isAccepted: false), .neighbourEnd(successor: nil),
            .neighbourEnd(successor: PeerID(digest("peer"))), .hangUp,
            .digestListing(buckets: [0, 255], entries: [stamp, stamp]), .want(records: [stamp.record]),
            .give(frames: [[9, 9]]), .manifestRequest(request: 3, manifest: manifest, offset: 1 << 40),
            .manifestPage(request: 3, total: 4, offset: 0, bytes: [1, 2, 3, 4], proof: proof),
            .manifestPage(request: 3, total: 4, offset: 2, bytes: [3, 4], proof: nil),
            .probe(request: 4, manifest: manifest),
            .probeAnswer(request: 4, freeSlots: 1, slots: 2, reserved: true, haveMap: someChunks),
            .releaseReservation(manifest: manifest),
            .leaseRequest(request: 5, manifest: manifest, lanes: LaneKind.allCases),
            .leaseGrant(request: 5, grant: leaseGrant), .leaseRenewal(lease: lease),
            .leaseRenewed(lease: lease, duration: 10_000), .leaseRelease(lease: lease, bytesRead: 7),
            .haveDelta(lease: lease, chunks: [0, .max]), .chunkDispute(lease: lease, chunk: .max),
        ] + RefusalCode.allCases.map { .refusal(request: 6, code: $0, retryAfter: 100) }
            + RefusalCode.allCases.map { .leaseEnded(lease: lease, code: $0) }
    }
}
