import LocalAPI
import Mesh
import Records

/// Adds the sources of one content up.
struct ModelTally {
    private var complete = 0
    private var partial = 0
    private var wanting = 0
    private var coverage = [Int](repeating: 0, count: Int(Announcement.fullCoverage) + 1)
    private var completeByRank: [UInt32: Int] = [:]
    private var bytesByRank: [UInt32: UInt64] = [:]
    private var slotsInUse = 0
    private var slots = 0

    /// By model and revision, then variant.
    static func models(of sources: [OfferedSource]) -> [OverviewModel] {
        var tallies: [SourceIdentity: ModelTally] = [:]
        for source in sources { tallies[source.announcement.identity, default: ModelTally()].add(source) }
        return tallies.map { $1.view(of: $0) }.sorted {
            ($0.model, $0.revision, $0.stage, $0.variant) < ($1.model, $1.revision, $1.stage, $1.variant)
        }
    }

    private mutating func add(_ source: OfferedSource) {
        let announcement = source.announcement
        let rank = announcement.rank
        if announcement.isComplete {
            complete += 1
        } else if announcement.coverageEighths > 0 || announcement.state == .live {
            partial += 1
        } else {
            wanting += 1
        }
        coverage[min(Int(announcement.coverageEighths), coverage.count - 1)] += 1
        completeByRank[rank, default: 0] += announcement.isComplete ? 1 : 0
        bytesByRank[rank] = max(bytesByRank[rank] ?? 0, announcement.totalBytes)
        slotsInUse += Int(source.beacon?.slotsInUse ?? 0)
        slots += Int(announcement.slots)
    }

    private func view(of identity: SourceIdentity) -> OverviewModel {
        OverviewModel(
            model: identity.model, revision: identity.revision, stage: identity.stage.word,
            variant: Self.variant(of: identity), ranks: completeByRank.count,
            copies: completeByRank.values.min() ?? 0, sources: complete + partial + wanting, complete: complete,
            partial: partial, wanting: wanting, coverage: coverage,
            bytes: bytesByRank.values.reduce(0) { $0.addingSaturated($1) }, slotsInUse: slotsInUse, slots: slots)
    }

    private static func variant(of identity: SourceIdentity) -> String {
        var words = [identity.dtype, identity.quantisation].filter { !$0.isEmpty }
        for (word, size) in [
            ("tensor parallel", identity.tensorParallel), ("pipeline parallel", identity.pipelineParallel),
            ("expert parallel", identity.expertParallel),
        ] where size > 1 {
            words.append("\(word) \(size)")
        }
        return words.joined(separator: ", ")
    }
}
