/// Admits so many units a second, and a burst beyond that (the generic cell rate algorithm, ITU-T I.371: one number of state).
struct RateBucket: Sendable {
    private let nanosecondsPerUnit: UInt64
    private let burstTime: UInt64
    /// When everything that was admitted is paid for, on the monotonic clock.
    private var paidAt: UInt64 = 0

    init(perSecond rate: UInt64, burst: UInt64) {
        nanosecondsPerUnit = 1_000_000_000 / max(rate, 1)
        burstTime = burst * nanosecondsPerUnit
    }

    /// Whether nothing more is admitted at `now` (monotonic, nanoseconds).
    func isExhausted(now: UInt64) -> Bool { max(paidAt, now) + nanosecondsPerUnit - now > burstTime }

    /// Whether `units` are admitted at `now` (monotonic, nanoseconds); those that are not cost nothing.
    mutating func admits(_ units: UInt64 = 1, now: UInt64) -> Bool {
        let paid = max(paidAt, now) + units * nanosecondsPerUnit
        guard paid - now <= burstTime else { return false }
        paidAt = paid
        return true
    }
}
