import EventThread
import HTTPFace
import LocalAPI

/// Makes each JSON view once, however many ask, and anew after a second at the earliest: what many people look at costs as much
/// as what one looks at.
actor ViewFeed {
    /// Nanoseconds for which a view is good. One that takes long to make is good for so many times as long, within bounds, so
    /// that a large mesh is not looked at all the time.
    private static let period: UInt64 = 1_000_000_000
    private static let longestPeriod: UInt64 = 5_000_000_000
    private static let restPerWork: UInt64 = 20
    /// Answers kept of one look at the mesh, for as many different questions.
    private static let keptAnswers = 32

    private struct Made<Value: Sendable> {
        var value: Task<Value?, Never>
        var began: UInt64
        var took: UInt64 = 0
        /// Distinguishes it from what was made before; grows.
        var number: UInt64

        func isGood(at now: UInt64) -> Bool {
            now < began + min(max(period, min(took, period) * restPerWork), longestPeriod)
        }
    }

    /// Unlike that of any other server or earlier run: tags of theirs mean other bytes.
    private let tagPrefix: String
    private var views: [String: Made<[UInt8]>] = [:]
    private var base: Made<OverviewBase>?
    private var answers: [RequestQuery: Task<[UInt8]?, Never>] = [:]
    private var made: UInt64 = 0

    /// - Parameter tagPrefix: letters and digits, of this run alone.
    init(tagPrefix: String) { self.tagPrefix = tagPrefix }

    /// The view called `name`, by `make` where the last one is too old.
    func view(_ name: String, _ make: @escaping @Sendable () async -> [UInt8]?) async -> JSONBody? {
        let kept = views[name].flatMap { $0.isGood(at: MonotonicClock.now()) ? $0 : nil } ?? begin(make)
        views[name] = kept
        guard let bytes = await kept.value.value else { return nil }
        if views[name]?.number == kept.number { views[name]?.took = took(kept) }
        return JSONBody(bytes, tag: tag(kept.number))
    }

    /// The answer to `query`, written by `write` from a base that `look` makes where the last one is too old.
    func overview(
        _ query: RequestQuery, look: @escaping @Sendable () async -> OverviewBase?,
        write: @escaping @Sendable (OverviewBase) -> [UInt8]?
    ) async -> JSONBody? {
        let kept = base.flatMap { $0.isGood(at: MonotonicClock.now()) ? $0 : nil } ?? begin(look)
        if base?.number != kept.number { answers = [:] }
        base = kept
        guard let value = await kept.value.value else { return nil }
        let isCurrent = base?.number == kept.number
        if isCurrent { base?.took = took(kept) }
        let answer = isCurrent ? answers[query] ?? Task { write(value) } : Task { write(value) }
        if isCurrent, answers.count < Self.keptAnswers { answers[query] = answer }
        guard let bytes = await answer.value else { return nil }
        return JSONBody(bytes, tag: tag(kept.number))
    }

    private func begin<Value: Sendable>(_ make: @escaping @Sendable () async -> Value?) -> Made<Value> {
        made += 1
        return Made(value: Task { await make() }, began: MonotonicClock.now(), number: made)
    }

    private func took<Value: Sendable>(_ kept: Made<Value>) -> UInt64 {
        kept.took > 0 ? kept.took : MonotonicClock.now() - kept.began
    }

    private func tag(_ number: UInt64) -> String { "\(tagPrefix)-\(number)" }
}
