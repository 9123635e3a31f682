package import Records

/// One manifest that is offered for what is wanted, and how many complete and partial copies of it there are.
package struct ManifestCandidate: Hashable, Sendable {
    package let manifest: ManifestID
    package let identity: SourceIdentity
    package var completeCopies: Int
    package var partialCopies: Int

    package init(manifest: ManifestID, identity: SourceIdentity, completeCopies: Int, partialCopies: Int) {
        self.manifest = manifest
        self.identity = identity
        self.completeCopies = completeCopies
        self.partialCopies = partialCopies
    }
}

/// Which manifest to read (transfer.md): pinned by the operator, else the one with most complete copies, else the lowest id.
package enum ManifestChoice {
    /// Candidates best first; a partial-only one is the last resort, since nobody may ever complete it.
    package static func order(_ candidates: [ManifestCandidate]) -> [ManifestCandidate] {
        candidates.sorted {
            ($1.completeCopies, $1.partialCopies > 0 ? 1 : 0, $0.manifest)
                < ($0.completeCopies, $0.partialCopies > 0 ? 1 : 0, $1.manifest)
        }
    }
}

/// What somebody asked to have: a model by name, and as much more as they care to pin.
package struct WantedModel: Hashable, Sendable {
    package let model: String
    package let revision: String?
    package let manifest: ManifestID?
    package let rank: UInt32
    package let stage: Stage
    /// All of what must be equal, for an engine; nil for people, who name a model.
    package let identity: SourceIdentity?

    /// What an engine asks for: exactly its own identity.
    package init(identity: SourceIdentity, rank: UInt32) {
        model = identity.model
        revision = identity.revision
        manifest = nil
        stage = identity.stage
        self.rank = rank
        self.identity = identity
    }

    package init(
        model: String, revision: String? = nil, manifest: ManifestID? = nil, rank: UInt32 = 0, stage: Stage = .files
    ) {
        identity = nil
        self.model = model
        self.revision = revision
        self.manifest = manifest
        self.rank = rank
        self.stage = stage
    }

    package func matches(_ announcement: Announcement) -> Bool {
        announcement.state == .live && announcement.manifest != nil && announcement.identity.model == model
            && announcement.identity.stage == stage && announcement.rank == rank
            && (revision == nil || announcement.identity.revision == revision)
            && (identity == nil || announcement.identity == identity)
            && (manifest == nil || announcement.manifest == manifest)
    }
}

/// Puts a manifest's pages together and refuses what can't become it.
package struct ManifestAssembly: Sendable {
    package let manifest: ManifestID
    private var bytes: [UInt8] = []
    private var total: UInt64?
    package private(set) var proof: IntroductionProof?

    package init(manifest: ManifestID) { self.manifest = manifest }

    /// Bytes that are there: the offset of the page to ask for next.
    package var nextOffset: UInt64 { UInt64(bytes.count) }

    package enum Progress {
        case incomplete
        case complete([UInt8])
        case refused(WireError)
    }

    package mutating func add(
        total: UInt64, offset: UInt64, bytes page: [UInt8], proof: IntroductionProof?
    ) -> Progress {
        guard total <= UInt64(ManifestLimits.encodedSize) else {
            return .refused(
                .tooLarge(field: "manifest", value: total, limit: UInt64(ManifestLimits.encodedSize)))
        }
        guard self.total == nil || self.total == total, offset == nextOffset, !page.isEmpty,
            offset + UInt64(page.count) <= total,
            // A source that drips would hold the pull for days.
            page.count == WireLimits.manifestPage || offset + UInt64(page.count) == total
        else { return .refused(.malformed(field: "manifest page")) }
        self.total = total
        self.proof = proof ?? self.proof
        bytes += page
        return nextOffset == total ? .complete(bytes) : .incomplete
    }
}
