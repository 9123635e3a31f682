import Digest
import Records

/// One valid value or more of each wire record, the same ones each time. Signatures are of the right size and prove nothing.
enum SampleRecords {
    static func valid(_ target: String) -> [[UInt8]] {
        switch target {
        case "signed-frame": return [frame]
        case "certificate-chain": return [chain?.encoded].compactMap(\.self)
        case "peer-record": return [peerRecord?.encoded].compactMap(\.self)
        case "beacon": return [beacon.encoded]
        case "announcement": return [announcement(.live).encoded, announcement(.wanting).encoded]
        case "introduction-proof": return [proof?.encoded].compactMap(\.self)
        case "equivocation-proof":
            return [chain.map { EquivocationProof(frame, frame + [1], by: $0).encoded }].compactMap(\.self)
        case "gossip-bundle":
            let entries = [GossipBundle.Entry(hops: 0, frame: frame), GossipBundle.Entry(hops: .max, frame: [])]
            return [GossipBundle(entries: entries).encoded, GossipBundle(entries: []).encoded]
        case "revocation-notice": return revocationNotices.map(\.encoded)
        case "manifest": return manifests.map(\.encoded)
        case "chunk-set": return chunkSets.map(\.encoded)
        case "bootstrap-request": return [bootstrapRequest?.encoded].compactMap(\.self)
        case "bootstrap-answer": return [bootstrapAnswer?.encoded].compactMap(\.self)
        case "snapshot-manifest": return [snapshotManifest.encoded]
        case "control-message": return controlMessages.map(\.encoded)
        default: return []
        }
    }

    private static func digest(_ word: String) -> Digest256 { SHA256.digest(Array(word.utf8)) }
    private static let cluster = ClusterID(digest("cluster"))
    private static let manifestID = ManifestID(digest("manifest"))
    private static let lease = LeaseID(digest("lease"))
    private static let version = Version(incarnation: 1_700_000_000_000, sequence: 7)
    private static let validity = Validity(issuedAt: 1_700_000_000_000, term: 15_000)
    private static let endpoints = Endpoints(host: "10.0.0.7", bootstrapPort: 8012, controlPort: 8013, gossipPort: 8014)
    private static let identity = SourceIdentity(model: "org/name", revision: "main", stage: .files)

    private static func sign<Value: SignedRecord>(_ value: Value) -> SignedPayload<Value>? {
        Signature([UInt8](repeating: 0x5A, count: Signature.byteCount)).map {
            SignedPayload(value, payload: value.encoded, signature: $0)
        }
    }

    private static var frame: [UInt8] {
        guard let signed = sign(beacon) else { return [] }
        return SignedFrame(
            purpose: .beacon, author: PeerID(digest("peer")), payload: signed.payload, signature: signed.signature
        ).encoded
    }

    private static var chain: CertificateChain? {
        let grant = TokenGrant(
            cluster: cluster, delegatedKey: digest("delegated"), roles: [.origin, .reader],
            modelPrefixes: ["", "org/"],
            certificateLife: 3_600_000, longestTerm: 60_000, peers: 64, notBefore: 1,
            notAfter: 1_900_000_000_000)
        let certificate = Certificate(
            cluster: cluster, token: grant.id, peer: PeerID(digest("peer")), curveKey: CurveKey(digest("curve")),
            roles: .origin, notBefore: 1, notAfter: 3_600_001)
        guard let grant = sign(grant), let certificate = sign(certificate) else { return nil }
        return CertificateChain(grant: grant, certificate: certificate)
    }

    private static var peerRecord: PeerRecord? {
        chain.map {
            PeerRecord(
                version: version, validity: validity, chain: $0, endpoints: endpoints, name: "pod-1", zone: "a",
                host: "boot", isDeparting: true)
        }
    }

    private static let beacon = Beacon(
        version: version, validity: validity, recordSet: digest("records"), slotsInUse: 1, slots: 8, bytesServed: 9,
        bytesReceived: 10)

    private static func announcement(_ state: AnnouncementState) -> Announcement {
        Announcement(
            version: version, validity: validity, identity: identity, rank: 0, state: state,
            manifest: state == .live ? manifestID : nil,
            introduction: state == .live ? IntroductionID(digest("introduction")) : nil, coverageEighths: 8,
            totalBytes: 1 << 30, lanes: [.sharedMemory, .tcp], slots: 8, deviceKind: "")
    }

    private static var proof: IntroductionProof? {
        let introduction = Introduction(
            source: identity.id, model: "org/name", stage: .files, rank: 0, manifest: manifestID, notBefore: 1,
            notAfter: 2, token: TokenID(digest("token")))
        guard let signed = sign(introduction), let chain else { return nil }
        return IntroductionProof(introduction: signed, author: chain)
    }

    /// By a revocation key and by the root, of each kind of subject.
    private static var revocationNotices: [RevocationNotice] {
        let subjects: [RevocationSubject] = [
            .token(TokenID(digest("token"))), .peer(PeerID(digest("peer"))),
            .introduction(IntroductionID(digest("introduction"))), .revocationKey(digest("revocation key")),
        ]
        let grant = sign(
            RevocationGrant(
                cluster: cluster, revocationKey: digest("revocation key"), notBefore: 1, notAfter: 1_900_000_000_000))
        return subjects.enumerated().compactMap { index, subject in
            sign(
                Revocation(
                    cluster: cluster, subject: subject, notBefore: 1, until: 1_800_000_000_000, issuedAt: 1,
                    reason: index == 0 ? "leaked" : "")
            ).map { RevocationNotice(grant: index == 3 ? nil : grant, revocation: $0) }
        }
    }

    /// Content of several files in two chunks, and content of no bytes.
    private static var manifests: [Manifest] {
        let storages = [
            Storage(name: "a.json", size: 10), Storage(name: "empty", size: 0),
            Storage(name: "m.safetensors", size: 5000),
        ]
        let tensor = Tensor(name: "w", dtype: "F32", shape: [2, 3], storage: 2, offset: 100, size: 24)
        let digests = (0..<2).map { ChunkDigests(crc32c: UInt32($0), strong: digest("chunk \($0)")) }
        return [(storages, [tensor], digests), ([Storage(name: "empty", size: 0)], [], [])].compactMap {
            (storages: [Storage], tensors: [Tensor], digests: [ChunkDigests]) in
            guard let layout = try? Layout(storages: storages, chunkSize: 4096) else { return nil }
            return try? Manifest(identity: identity, rank: 0, layout: layout, tensors: tensors, digests: digests)
        }
    }

    private static var chunkSets: [ChunkSet] {
        var some = ChunkSet(chunkCount: 70)
        for chunk in [0, 63, 64, 69] { some.insert(chunk) }
        return [some, ChunkSet(chunkCount: 0), ChunkSet(chunkCount: 65, full: true)]
    }

    private static let nonce = [UInt8](repeating: 3, count: BootstrapRequest.nonceSize)

    private static var bootstrapRequest: BootstrapRequest? { BootstrapRequest(cluster: cluster, nonce: nonce) }

    private static var bootstrapAnswer: BootstrapAnswer? {
        chain.map { BootstrapAnswer(nonce: nonce, chain: $0, endpoints: endpoints, time: 1_700_000_000_000) }
    }

    private static let snapshotFilter = SnapshotFilter.interests([
        SnapshotInterest(.source(SourceID(digest("source"))), rank: 3), SnapshotInterest(.model("org/name")),
    ])
    private static let snapshotCursor = SnapshotCursor(epoch: 1_700_000_000_000, sequence: 9, offset: 1_024)
    private static let snapshotManifest = SnapshotManifest(
        epoch: 1_700_000_000_000, sequence: 9, madeAt: 1_700_000_000_001, filter: snapshotFilter.digest, count: 2_048,
        peers: 512, digest: digest("frames"))

    private static var controlMessages: [ControlMessage] {
        let grant = LeaseGrant(
            lease: lease, manifest: manifestID, generation: 1, duration: 10_000, window: 8, sessionKey: digest("key"),
            lanes: [LaneOffer(kind: .tcp, address: "10.0.0.7", port: 8015)], haveMap: chunkSets[0])
        let stamp = RecordStamp(record: RecordID(digest("record")), version: version)
        return [
            .hello(record: frame), .welcome(record: frame), .ping(request: 1, isNeighbour: true), .pong(request: 1),
            .goodbye,
            .snapshotRequest(request: 2, filter: .everything, cursor: nil),
            .snapshotRequest(request: 2, filter: snapshotFilter, cursor: snapshotCursor),
            .snapshotPage(request: 2, page: SnapshotPage(manifest: frame, offset: 7, frames: [frame, []])),
            .digestSummary(buckets: [UInt64](repeating: 5, count: ControlMessage.bucketCount), trust: 6),
            .digestListing(buckets: [1, 2], entries: [stamp]), .want(records: [stamp.record]), .give(frames: [frame]),
            .manifestRequest(request: 3, manifest: manifestID, offset: 0),
            .manifestPage(request: 3, total: 4, offset: 0, bytes: [1, 2, 3, 4], proof: proof),
            .probe(request: 4, manifest: manifestID),
            .probeAnswer(request: 4, freeSlots: 1, slots: 2, reserved: true, haveMap: chunkSets[2]),
            .releaseReservation(manifest: manifestID),
            .leaseRequest(request: 5, manifest: manifestID, lanes: [.sharedMemory, .tcp]),
            .leaseGrant(request: 5, grant: grant), .refusal(request: 5, code: .busy, retryAfter: 250),
            .leaseRenewal(lease: lease), .leaseRenewed(lease: lease, duration: 10_000),
            .leaseRelease(lease: lease, bytesRead: 7),
            .leaseEnded(lease: lease, code: .draining), .haveDelta(lease: lease, chunks: [0, 5]),
            .neighbourRequest(isShort: true), .neighbourAnswer(isAccepted: true),
            .neighbourEnd(successor: PeerID(digest("peer"))), .hangUp, .chunkDispute(lease: lease, chunk: 5),
        ]
    }
}
