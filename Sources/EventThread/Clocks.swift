import Glibc

/// The clock of every duration and time-out: it never goes back and no operator sets it.
package enum MonotonicClock {
    /// Nanoseconds since some moment before this process.
    package static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// The clock of signed records only: it may jump.
package enum WallClock {
    /// Milliseconds since 1970, UTC.
    package static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
