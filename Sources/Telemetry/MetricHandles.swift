import Synchronization

/// A number that only rises. Any thread, lock-free.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    init() {}

    /// Adds one.
    package func increment() { add(1) }

    /// Adds `amount`.
    package func add(_ amount: UInt64) { count.wrappingAdd(amount, ordering: .relaxed) }

    /// Takes over a sum that its only owner keeps elsewhere.
    package func show(_ total: UInt64) { count.store(total, ordering: .relaxed) }

    /// The sum so far.
    package var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A number that rises and falls. Any thread, lock-free.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(Double(0).bitPattern)

    init() {}

    /// Replaces the value.
    package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    /// Replaces the value.
    package func set(_ value: Int) { set(Double(value)) }

    /// Adds `amount`, which may be negative.
    package func add(_ amount: Double) {
        var current = bits.load(ordering: .relaxed)
        while true {
            let sum = (Double(bitPattern: current) + amount).bitPattern
            let (exchanged, seen) = bits.weakCompareExchange(expected: current, desired: sum, ordering: .relaxed)
            if exchanged { return }
            current = seen
        }
    }

    /// The value now.
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// How values are spread. Any thread; an update takes a lock for a few instructions.
package final class Histogram: Sendable {
    /// From 1 ms to 5 minutes.
    package static let secondsBounds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ]

    struct State: Sendable {
        /// How many fell into each bucket alone; the last one is without a bound.
        var counts: [UInt64]
        var sum = 0.0
    }

    let bounds: [Double]
    private let state: Guarded<State>

    init(bounds: [Double]) {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds of a histogram must rise")
        self.bounds = bounds
        state = Guarded(State(counts: [UInt64](repeating: 0, count: bounds.count + 1)))
    }

    /// Counts one value.
    package func observe(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[bucket] += 1
            $0.sum += value
        }
    }

    /// Counts one duration in a histogram of seconds.
    package func observe(nanoseconds: UInt64) { observe(Double(nanoseconds) / 1e9) }

    /// Takes over counts that their only owner keeps elsewhere: one for each bound, and one for all above.
    package func show(counts: [UInt64], sum: Double) {
        precondition(counts.count == bounds.count + 1, "as many counts as classes")
        state.withLock { $0 = State(counts: counts, sum: sum) }
    }

    /// How many values were counted.
    package var count: UInt64 { snapshot().counts.reduce(0, +) }

    func snapshot() -> State { state.withLock { $0 } }
}
