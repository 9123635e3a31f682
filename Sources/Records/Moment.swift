/// The one clock value of the pure floors, passed in with every event. Durations and deadlines use the monotonic part; wall time
/// appears only where it is signed.
package struct Moment: Hashable, Sendable {
    /// Nanoseconds on a clock that never steps.
    package let monotonic: UInt64
    /// Milliseconds since 1970, as the machine believes.
    package let wall: Int64

    package init(monotonic: UInt64, wall: Int64) {
        self.monotonic = monotonic
        self.wall = wall
    }

    package func advanced(byNanoseconds nanoseconds: UInt64) -> Moment {
        Moment(monotonic: monotonic + nanoseconds, wall: wall + Int64(nanoseconds / 1_000_000))
    }
}

package enum Duration64 {
    /// Nanoseconds in a second and in a millisecond.
    package static let second: UInt64 = 1_000_000_000
    package static let millisecond: UInt64 = 1_000_000
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, seedable, and the same on every machine, so that a run is a seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// 32 bytes for names that must not collide within one peer's life.
    package mutating func nextBytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 32) }
    }
}
