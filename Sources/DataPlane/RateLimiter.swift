import EventThread
import Telemetry

/// One token bucket for all connections of a source.
final class RateLimiter: Sendable {
    /// Nanoseconds of unused rate made up for: waits end up to some milliseconds late.
    private static let burst: UInt64 = 20_000_000
    private let bucket: Guarded<TokenBucket>

    init(bytesPerSecond: UInt64) {
        bucket = Guarded(TokenBucket(rate: bytesPerSecond, burst: Self.burst))
    }

    /// Takes `bytes` now; returns nanoseconds to wait before they are sent.
    func take(_ bytes: Int) -> UInt64 {
        let now = MonotonicClock.now()
        return bucket.withLock { $0.take(bytes, now: now) }
    }
}
