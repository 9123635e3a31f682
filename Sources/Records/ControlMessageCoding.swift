import Digest

extension ControlMessage {
    /// First byte of each message. Numbers are never reused.
    private enum Tag: UInt8 {
        case hello = 1
        case welcome, ping, pong
        // 16 and 17 were snapshots without a filter.
        case digestSummary = 18
        case digestListing, want, give, snapshotRequest, snapshotPage
        case manifestRequest = 32
        case manifestPage, probe, probeAnswer, releaseReservation
        case leaseRequest, leaseGrant, refusal, leaseRenewal, leaseRenewed, leaseRelease, leaseEnded, haveDelta
        case chunkDispute
        case goodbye = 64
        case neighbourRequest = 80
        case neighbourAnswer, neighbourEnd, hangUp
    }

    /// Buckets in a digest summary (mesh.md: 256).
    package static let bucketCount = 256
}

extension ControlMessage: WireCodable {
    package func encode(to writer: inout WireWriter) {
        switch self {
        case .hello, .welcome, .ping, .pong, .goodbye: encodeChannel(to: &writer)
        case .neighbourRequest, .neighbourAnswer, .neighbourEnd, .hangUp: encodeView(to: &writer)
        case .snapshotRequest, .snapshotPage, .digestSummary, .digestListing, .want, .give:
            encodeGossip(to: &writer)
        default: encodeTransfer(to: &writer)
        }
    }

    private func encodeChannel(to writer: inout WireWriter) {
        switch self {
        case .hello(let record):
            writer.write(Tag.hello.rawValue)
            writer.write(record)
        case .welcome(let record):
            writer.write(Tag.welcome.rawValue)
            writer.write(record)
        case .ping(let request, let isNeighbour):
            writer.write(Tag.ping.rawValue)
            writer.write(request)
            writer.write(isNeighbour)
        case .pong(let request):
            writer.write(Tag.pong.rawValue)
            writer.write(request)
        default:
            writer.write(Tag.goodbye.rawValue)
        }
    }

    private func encodeView(to writer: inout WireWriter) {
        switch self {
        case .neighbourRequest(let isShort):
            writer.write(Tag.neighbourRequest.rawValue)
            writer.write(isShort)
        case .neighbourAnswer(let isAccepted):
            writer.write(Tag.neighbourAnswer.rawValue)
            writer.write(isAccepted)
        case .neighbourEnd(let successor):
            writer.write(Tag.neighbourEnd.rawValue)
            writer.write(optional: successor) { $0.write($1) }
        default: writer.write(Tag.hangUp.rawValue)
        }
    }

    private func encodeGossip(to writer: inout WireWriter) {
        switch self {
        case .snapshotRequest(let request, let filter, let cursor):
            writer.write(Tag.snapshotRequest.rawValue)
            writer.write(request)
            filter.encode(to: &writer)
            writer.write(optional: cursor) { $1.encode(to: &$0) }
        case .snapshotPage(let request, let page):
            writer.write(Tag.snapshotPage.rawValue)
            writer.write(request)
            page.encode(to: &writer)
        case .digestSummary(let buckets, let trust):
            writer.write(Tag.digestSummary.rawValue)
            writer.write(buckets) { $0.write($1) }
            writer.write(trust)
        case .digestListing(let buckets, let entries):
            writer.write(Tag.digestListing.rawValue)
            writer.write(buckets)
            writer.write(entries) {
                $0.write($1.record)
                $1.version.encode(to: &$0)
            }
        case .want(let records):
            writer.write(Tag.want.rawValue)
            writer.write(records) { $0.write($1) }
        case .give(let frames):
            writer.write(Tag.give.rawValue)
            writer.write(frames) { $0.write($1) }
        default: break
        }
    }

    private func encodeTransfer(to writer: inout WireWriter) {
        switch self {
        case .manifestRequest(let request, let manifest, let offset):
            writer.write(Tag.manifestRequest.rawValue)
            writer.write(request)
            writer.write(manifest)
            writer.write(offset)
        case .manifestPage(let request, let total, let offset, let bytes, let proof):
            writer.write(Tag.manifestPage.rawValue)
            writer.write(request)
            writer.write(total)
            writer.write(offset)
            writer.write(bytes)
            writer.write(optional: proof) { $1.encode(to: &$0) }
        case .probe(let request, let manifest):
            writer.write(Tag.probe.rawValue)
            writer.write(request)
            writer.write(manifest)
        case .probeAnswer(let request, let freeSlots, let slots, let reserved, let haveMap):
            writer.write(Tag.probeAnswer.rawValue)
            writer.write(request)
            writer.write(freeSlots)
            writer.write(slots)
            writer.write(reserved)
            haveMap.encode(to: &writer)
        case .releaseReservation(let manifest):
            writer.write(Tag.releaseReservation.rawValue)
            writer.write(manifest)
        case .leaseRequest(let request, let manifest, let lanes):
            writer.write(Tag.leaseRequest.rawValue)
            writer.write(request)
            writer.write(manifest)
            writer.write(lanes) { $0.write($1.rawValue) }
        case .leaseGrant(let request, let grant):
            writer.write(Tag.leaseGrant.rawValue)
            writer.write(request)
            grant.encode(to: &writer)
        case .refusal(let request, let code, let retryAfter):
            writer.write(Tag.refusal.rawValue)
            writer.write(request)
            writer.write(code.rawValue)
            writer.write(retryAfter)
        default: encodeLease(to: &writer)
        }
    }

    private func encodeLease(to writer: inout WireWriter) {
        switch self {
        case .leaseRenewal(let lease):
            writer.write(Tag.leaseRenewal.rawValue)
            writer.write(lease)
        case .leaseRenewed(let lease, let duration):
            writer.write(Tag.leaseRenewed.rawValue)
            writer.write(lease)
            writer.write(duration)
        case .leaseRelease(let lease, let bytesRead):
            writer.write(Tag.leaseRelease.rawValue)
            writer.write(lease)
            writer.write(bytesRead)
        case .leaseEnded(let lease, let code):
            writer.write(Tag.leaseEnded.rawValue)
            writer.write(lease)
            writer.write(code.rawValue)
        case .haveDelta(let lease, let chunks):
            writer.write(Tag.haveDelta.rawValue)
            writer.write(lease)
            writer.write(chunks) { $0.write($1) }
        case .chunkDispute(let lease, let chunk):
            writer.write(Tag.chunkDispute.rawValue)
            writer.write(lease)
            writer.write(chunk)
        default: break
        }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.read(UInt8.self, "message tag")
        guard let tag = Tag(rawValue: raw) else { throw .unknownValue(field: "message tag", value: UInt64(raw)) }
        switch tag {
        case .hello: self = .hello(record: try Self.readFrame(&reader))
        case .welcome: self = .welcome(record: try Self.readFrame(&reader))
        case .ping:
            self = .ping(request: try reader.read("request"), isNeighbour: try reader.readBool("neighbour"))
        case .pong: self = .pong(request: try reader.read("request"))
        case .goodbye: self = .goodbye
        case .snapshotRequest:
            self = .snapshotRequest(
                request: try reader.read("request"), filter: try SnapshotFilter(from: &reader),
                cursor: try reader.readOptional("cursor") {
                    (reader) throws(WireError) in try SnapshotCursor(from: &reader)
                })
        case .snapshotPage:
            self = .snapshotPage(request: try reader.read("request"), page: try SnapshotPage(from: &reader))
        case .digestSummary:
            self = .digestSummary(
                buckets: try Self.readBuckets(&reader), trust: try reader.read("trust digest"))
        case .digestListing:
            self = .digestListing(
                buckets: try reader.readBytes("buckets", limit: Self.bucketCount),
                entries: try Self.readStamps(&reader))
        case .want:
            self = .want(
                records: try reader.readArray("wanted records", limit: WireLimits.recordsInMessage) {
                    (reader) throws(WireError) in try reader.readIdentifier("record")
                })
        case .give: self = .give(frames: try Self.readFrames(&reader))
        case .neighbourRequest: self = .neighbourRequest(isShort: try reader.readBool("short of neighbours"))
        case .neighbourAnswer: self = .neighbourAnswer(isAccepted: try reader.readBool("accepted"))
        case .neighbourEnd:
            self = .neighbourEnd(
                successor: try reader.readOptional("successor") {
                    (reader) throws(WireError) in try reader.readIdentifier("successor")
                })
        case .hangUp: self = .hangUp
        default: self = try Self.readTransfer(tag, &reader)
        }
    }

    private static func readTransfer(_ tag: Tag, _ reader: inout WireReader) throws(WireError) -> Self {
        switch tag {
        case .manifestRequest:
            .manifestRequest(
                request: try reader.read("request"), manifest: try reader.readIdentifier("manifest"),
                offset: try reader.read("offset"))
        case .manifestPage:
            .manifestPage(
                request: try reader.read("request"), total: try reader.read("total"),
                offset: try reader.read("offset"),
                bytes: try reader.readBytes("manifest page", limit: WireLimits.manifestPage),
                proof: try reader.readOptional("proof") {
                    (reader) throws(WireError) in try IntroductionProof(from: &reader)
                })
        case .probe:
            .probe(request: try reader.read("request"), manifest: try reader.readIdentifier("manifest"))
        case .probeAnswer:
            .probeAnswer(
                request: try reader.read("request"), freeSlots: try reader.read("free slots"),
                slots: try reader.read("slots"), reserved: try reader.readBool("reserved"),
                haveMap: try ChunkSet(from: &reader))
        case .releaseReservation: .releaseReservation(manifest: try reader.readIdentifier("manifest"))
        case .leaseRequest:
            .leaseRequest(
                request: try reader.read("request"), manifest: try reader.readIdentifier("manifest"),
                lanes: try reader.readArray("lanes", limit: WireLimits.lanes) {
                    (reader) throws(WireError) in try LaneKind(from: &reader)
                })
        case .leaseGrant: .leaseGrant(request: try reader.read("request"), grant: try LeaseGrant(from: &reader))
        case .refusal:
            .refusal(
                request: try reader.read("request"), code: try RefusalCode(from: &reader),
                retryAfter: try reader.read("retry after"))
        default: try readLease(tag, &reader)
        }
    }

    private static func readLease(_ tag: Tag, _ reader: inout WireReader) throws(WireError) -> Self {
        let lease: LeaseID = try reader.readIdentifier("lease")
        switch tag {
        case .leaseRenewal: return .leaseRenewal(lease: lease)
        case .leaseRenewed: return .leaseRenewed(lease: lease, duration: try reader.read("duration"))
        case .leaseRelease: return .leaseRelease(lease: lease, bytesRead: try reader.read("bytes read"))
        case .leaseEnded: return .leaseEnded(lease: lease, code: try RefusalCode(from: &reader))
        case .chunkDispute: return .chunkDispute(lease: lease, chunk: try reader.read("chunk"))
        default:
            let chunks = try reader.readArray("chunks", limit: WireLimits.chunksInDelta) {
                (reader) throws(WireError) in try reader.read(UInt32.self, "chunk")
            }
            return .haveDelta(lease: lease, chunks: chunks)
        }
    }

    private static func readFrame(_ reader: inout WireReader) throws(WireError) -> [UInt8] {
        try reader.readBytes("frame", limit: WireLimits.gossipFrame)
    }

    private static func readFrames(_ reader: inout WireReader) throws(WireError) -> [[UInt8]] {
        try reader.readArray("frames", limit: WireLimits.framesInMessage) {
            (reader) throws(WireError) in try readFrame(&reader)
        }
    }

    private static func readBuckets(_ reader: inout WireReader) throws(WireError) -> [UInt64] {
        let buckets = try reader.readArray("buckets", limit: bucketCount) {
            (reader) throws(WireError) in try reader.read(UInt64.self, "bucket")
        }
        guard buckets.count == bucketCount else { throw .malformed(field: "buckets") }
        return buckets
    }

    private static func readStamps(_ reader: inout WireReader) throws(WireError) -> [RecordStamp] {
        try reader.readArray("record stamps", limit: WireLimits.recordsInMessage) {
            (reader) throws(WireError) in
            RecordStamp(record: try reader.readIdentifier("record"), version: try Version(from: &reader))
        }
    }
}

extension RefusalCode {
    package init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.read(UInt8.self, "refusal")
        guard let code = RefusalCode(rawValue: raw) else { throw .unknownValue(field: "refusal", value: UInt64(raw)) }
        self = code
    }
}
