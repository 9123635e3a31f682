/// Pauses between attempts: each up to twice the one before, between two bounds, and random in their upper half, so that
/// several servers don't come back in step.
struct Backoff {
    let shortest: UInt64
    let longest: UInt64
    private var ceiling: UInt64

    /// In nanoseconds.
    init(shortest: UInt64, longest: UInt64) {
        self.shortest = shortest
        self.longest = max(longest, shortest)
        ceiling = shortest
    }

    /// The next pause in nanoseconds.
    mutating func next() -> UInt64 {
        let pause = UInt64.random(in: max(shortest, ceiling / 2)...ceiling)
        ceiling = min(ceiling * 2, longest)
        return pause
    }

    mutating func reset() { ceiling = shortest }
}
