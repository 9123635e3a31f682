import LocalAPI
import Records
import Transfer

extension PullSourceView {
    /// What a pull's scheduler tells of one source.
    init(_ tally: SourceTally, name: String) {
        self.init(
            peer: tally.peer.description, name: name, lane: tally.lane?.word ?? "", bytes: tally.bytes,
            chunks: tally.chunks, failures: tally.failures, note: tally.note)
        chosen = tally.chosen.isEmpty ? nil : tally.chosen
        left = tally.left.isEmpty ? nil : tally.left
        engagedAfterSeconds = tally.engagedAt.map { Double($0) / 1e9 }
        lastActiveAfterSeconds = tally.lastActiveAt.map { Double($0) / 1e9 }
        late = tally.late
        hedged = tally.hedged
        bounced = tally.bounced
    }
}
