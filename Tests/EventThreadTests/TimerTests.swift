import EventThread
import Testing

@Suite("Timers of an event thread")
struct TimerTests {
    @Test("Timers fire by deadline, and in order of scheduling when deadlines are equal")
    func order() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let record = Record<Int>()
        // A fixed shuffle: 37 and 101 have no common factor.
        let deadlines = (0..<101).map { ($0 * 37) % 101 }
        _ = try await thread.perform {
            let now = MonotonicClock.now()
            for deadline in deadlines {
                thread.schedule(at: now + UInt64(deadline) * 10_000) { record.append(deadline) }
            }
        }
        #expect(await thread.wait { record.all.count == 101 })
        #expect(record.all == Array(0..<101))

        let equal = Record<Int>()
        _ = try await thread.perform {
            let deadline = MonotonicClock.now()
            for number in 0..<100 { thread.schedule(at: deadline) { equal.append(number) } }
        }
        #expect(await thread.wait { equal.all.count == 100 })
        #expect(equal.all == Array(0..<100))
    }

    @Test("No timer fires before its deadline")
    func neverEarly() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let record = Record<Bool>()
        _ = try await thread.perform {
            for microseconds in 1...50 {
                let deadline = MonotonicClock.now() + UInt64(microseconds) * 100_000
                thread.schedule(at: deadline) { record.append(MonotonicClock.now() >= deadline) }
            }
        }
        #expect(await thread.wait { record.all.count == 50 })
        #expect(record.all.allSatisfy { $0 })
    }

    @Test("A cancelled timer doesn't fire, even when it was due in the same round")
    func cancel() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let record = Record<String>()
        let cancelledTwice = try await thread.perform {
            let now = MonotonicClock.now()
            var victim: TimerID?
            thread.schedule(at: now) {
                if let victim { record.append("cancelled \(thread.cancel(victim))") }
            }
            victim = thread.schedule(at: now) { record.append("victim") }
            let other = thread.schedule(at: now) { record.append("other") }
            thread.schedule(at: now) { record.append("last") }
            return (thread.cancel(other), thread.cancel(other))
        }
        #expect(await thread.wait { record.all.last == "last" })
        #expect(record.all == ["cancelled true", "last"])
        #expect(cancelledTwice == (true, false))
    }

    @Test("Thousands of cancelled timers leave the others in order")
    func manyCancelled() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let record = Record<Int>()
        _ = try await thread.perform {
            let start = MonotonicClock.now() + 1_000_000
            let timers = (0..<10_000).map { number in
                thread.schedule(at: start + UInt64((number * 7919) % 10_000)) {
                    record.append((number * 7919) % 10_000)
                }
            }
            for (number, timer) in timers.enumerated() where number % 100 != 0 { thread.cancel(timer) }
        }
        #expect(await thread.wait { record.all.count == 100 })
        #expect(record.all == record.all.sorted())
    }
}
