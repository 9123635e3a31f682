/// A rate limit as arithmetic: who takes bytes is told how long to wait before sending them.
///
/// It remembers up to which moment the rate has been sold. Unused time counts for at most the burst.
package struct TokenBucket: Sendable {
    /// Bytes a second.
    package let rate: UInt64
    /// Nanoseconds of unused rate that may be made up for.
    package let burst: UInt64
    private var soldUntil: UInt64 = 0

    /// - Parameters:
    ///   - rate: bytes a second, at least 1.
    ///   - burst: nanoseconds.
    package init(rate: UInt64, burst: UInt64) {
        precondition(rate > 0, "a rate of nothing never lets anything through")
        self.rate = rate
        self.burst = burst
    }

    /// Takes `bytes` at `now` (nanoseconds of any clock that doesn't go back). Returns nanoseconds to wait.
    package mutating func take(_ bytes: Int, now: UInt64) -> UInt64 {
        let product = UInt64(bytes).multipliedFullWidth(by: 1_000_000_000)
        let cost = rate > product.high ? rate.dividingFullWidth(product).quotient : UInt64.max / 4
        let start = max(soldUntil, now > burst ? now - burst : 0)
        soldUntil = start + min(cost, UInt64.max / 4 - min(start, UInt64.max / 4))
        return soldUntil > now ? soldUntil - now : 0
    }
}
