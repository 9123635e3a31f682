import Digest

/// What a peer says of one rank of a model.
package enum AnnouncementState: UInt8, Sendable, CaseIterable {
    case wanting = 1
    case loading = 2
    case live = 3
    case tombstone = 4

    package var word: String { "\(self)" }
}

/// Which kinds of lane a source offers; addresses travel in leases.
package enum LaneKind: UInt8, Sendable, CaseIterable, Comparable {
    case sharedMemory = 1
    case verbs = 2
    case ucx = 3
    case tcp = 4

    /// The word that people write and read.
    package var word: String {
        switch self {
        case .sharedMemory: "shm"
        case .verbs: "verbs"
        case .ucx: "ucx"
        case .tcp: "tcp"
        }
    }

    package init?(word: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.word == word }) else { return nil }
        self = match
    }

    package static func < (left: LaneKind, right: LaneKind) -> Bool { left.rawValue < right.rawValue }
}

extension LaneKind {
    package init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.read(UInt8.self, "lane")
        guard let lane = LaneKind(rawValue: raw) else { throw .unknownValue(field: "lane", value: UInt64(raw)) }
        self = lane
    }
}

/// "I offer this" (live, loading), "I want this" (wanting), or "no longer" (tombstone), for one source id and rank.
package struct Announcement: Hashable, Sendable {
    /// Coverage is told in eighths; 8 is complete.
    package static let fullCoverage: UInt8 = 8

    package let version: Version
    package let validity: Validity
    package let identity: SourceIdentity
    package let rank: UInt32
    package let state: AnnouncementState
    package let manifest: ManifestID?
    package let introduction: IntroductionID?
    package let coverageEighths: UInt8
    /// Bytes of the whole content, for people and progress.
    package let totalBytes: UInt64
    package let lanes: [LaneKind]
    package let slots: UInt16
    package let deviceKind: String

    package init(
        version: Version, validity: Validity, identity: SourceIdentity, rank: UInt32, state: AnnouncementState,
        manifest: ManifestID?, introduction: IntroductionID?, coverageEighths: UInt8, totalBytes: UInt64,
        lanes: [LaneKind], slots: UInt16, deviceKind: String
    ) {
        self.version = version
        self.validity = validity
        self.identity = identity
        self.rank = rank
        self.state = state
        self.manifest = manifest
        self.introduction = introduction
        self.coverageEighths = coverageEighths
        self.totalBytes = totalBytes
        self.lanes = lanes
        self.slots = slots
        self.deviceKind = deviceKind
    }

    package var isComplete: Bool { state == .live && coverageEighths == Self.fullCoverage }
}

extension Announcement: SignedRecord {
    package static var purpose: Purpose { .announcement }

    package func encode(to writer: inout WireWriter) {
        version.encode(to: &writer)
        validity.encode(to: &writer)
        identity.encode(to: &writer)
        writer.write(rank)
        writer.write(state.rawValue)
        writer.write(optional: manifest) { $0.write($1) }
        writer.write(optional: introduction) { $0.write($1) }
        writer.write(coverageEighths)
        writer.write(totalBytes)
        writer.write(lanes) { $0.write($1.rawValue) }
        writer.write(slots)
        writer.write(deviceKind)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        version = try Version(from: &reader)
        validity = try Validity(from: &reader)
        identity = try SourceIdentity(from: &reader)
        rank = try reader.read("rank")
        let rawState = try reader.read(UInt8.self, "announcement state")
        guard let state = AnnouncementState(rawValue: rawState) else {
            throw .unknownValue(field: "announcement state", value: UInt64(rawState))
        }
        self.state = state
        manifest = try reader.readOptional("manifest") {
            (reader) throws(WireError) in try reader.readIdentifier("manifest")
        }
        introduction = try reader.readOptional("introduction") {
            (reader) throws(WireError) in try reader.readIdentifier("introduction")
        }
        coverageEighths = try reader.read("coverage")
        guard coverageEighths <= Self.fullCoverage else { throw .malformed(field: "coverage") }
        totalBytes = try reader.read("total bytes")
        lanes = try reader.readArray("lanes", limit: WireLimits.lanes) {
            (reader) throws(WireError) in try LaneKind(from: &reader)
        }
        slots = try reader.read("slots")
        deviceKind = try reader.readString("device kind", limit: WireLimits.name)
    }
}

/// An origin's signed word that a manifest is the content of a source id. It outlives its author's process.
package struct Introduction: Hashable, Sendable {
    package let source: SourceID
    package let model: String
    package let stage: Stage
    package let rank: UInt32
    package let manifest: ManifestID
    package let notBefore: Int64
    package let notAfter: Int64
    package let token: TokenID

    package init(
        source: SourceID, model: String, stage: Stage, rank: UInt32, manifest: ManifestID, notBefore: Int64,
        notAfter: Int64, token: TokenID
    ) {
        self.source = source
        self.model = model
        self.stage = stage
        self.rank = rank
        self.manifest = manifest
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.token = token
    }

    package var id: IntroductionID { IntroductionID(BLAKE2b.digest(encoded)) }
}

extension Introduction: SignedRecord {
    package static var purpose: Purpose { .introduction }

    package func encode(to writer: inout WireWriter) {
        writer.write(source)
        writer.write(model)
        writer.write(stage.rawValue)
        writer.write(rank)
        writer.write(manifest)
        writer.write(notBefore)
        writer.write(notAfter)
        writer.write(token)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        source = try reader.readIdentifier("introduction source")
        model = try reader.readString("introduction model", limit: WireLimits.name)
        stage = try Stage(from: &reader)
        rank = try reader.read("introduction rank")
        manifest = try reader.readIdentifier("introduction manifest")
        notBefore = try reader.readSigned("introduction notBefore")
        notAfter = try reader.readSigned("introduction notAfter")
        token = try reader.readIdentifier("introduction token")
    }
}

/// An introduction with its author's chain, judged at the introduction's notBefore: all that a holder needs to show.
package struct IntroductionProof: Hashable, Sendable {
    package let introduction: SignedPayload<Introduction>
    package let author: CertificateChain

    package init(introduction: SignedPayload<Introduction>, author: CertificateChain) {
        self.introduction = introduction
        self.author = author
    }
}

extension IntroductionProof: WireCodable {
    package func encode(to writer: inout WireWriter) {
        introduction.encode(to: &writer)
        author.encode(to: &writer)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        introduction = try SignedPayload(from: &reader)
        author = try CertificateChain(from: &reader)
    }
}
