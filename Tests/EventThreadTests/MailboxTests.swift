import EventThread
import Testing

@Suite("Work posted to an event thread")
struct MailboxTests {
    private struct Oops: Error, Equatable {}

    @Test("Work runs in order of posting, on the thread")
    func order() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let record = Record<Int>()
        for number in 0..<1000 { thread.post { if thread.isCurrent { record.append(number) } } }
        _ = try await thread.perform {}
        #expect(record.all == Array(0..<1000))
        #expect(!thread.isCurrent)
    }

    @Test("perform gives back what the work returns or throws")
    func results() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        #expect(try await thread.perform { 42 } == 42)
        await #expect(throws: Oops()) { try await thread.perform { throw Oops() } }
    }

    @Test("A full mailbox refuses work, and takes it again once the thread goes on")
    func bound() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let entered = Record<Bool>()
        let gate = Pipe()
        thread.post {
            entered.append(true)
            _ = gate.read()
        }
        while entered.all.isEmpty { await Task.yield() }

        let ran = Record<Int>()
        var accepted = 0
        while accepted <= EventThread.mailboxCapacity, thread.post({ ran.append(1) }) { accepted += 1 }
        #expect(accepted == EventThread.mailboxCapacity)
        await #expect(throws: EventThreadMailboxFull.self) { try await thread.perform {} }

        gate.write("x")
        #expect(await thread.waitPatiently { ran.all.count == EventThread.mailboxCapacity })
    }

    @Test("Posted work can't keep a timer waiting for all of it")
    func fairness() async throws {
        let thread = try EventThread.started()
        defer { thread.stop() }
        let record = Record<String>()
        _ = try await thread.perform {
            for _ in 0..<5 * EventThread.mailboxBatch { thread.post { record.append("work") } }
            thread.schedule(after: 0) { record.append("timer") }
        }
        #expect(await thread.wait { record.all.count == 5 * EventThread.mailboxBatch + 1 })
        #expect((record.all.firstIndex(of: "timer") ?? .max) <= EventThread.mailboxBatch)
    }

    @Test("What was accepted before a stop runs, what comes later is refused")
    func stop() async throws {
        let thread = try EventThread.started()
        let record = Record<Int>()
        for number in 0..<1000 { thread.post { record.append(number) } }
        thread.stop()
        #expect(record.all.count == 1000)
        #expect(!thread.post { record.append(-1) })
        await #expect(throws: EventThreadStopped.self) { try await thread.perform {} }
        thread.stop()
        #expect(record.all.count == 1000)
    }

    @Test("A thread that never ran tells those who wait for it")
    func neverRun() async throws {
        let thread = try EventThread(name: "test")
        let waiting = Task { try await thread.perform {} }
        thread.stop()
        await #expect(throws: EventThreadStopped.self) { try await waiting.value }
    }

    @Test("A thread can stop itself")
    func stopFromWithin() async throws {
        let thread = try EventThread.started()
        thread.post { thread.stop() }
        while thread.post({}) { await Task.yield() }
        await #expect(throws: EventThreadStopped.self) { try await thread.perform {} }
    }
}

extension EventThread {
    /// Like `wait`, for a thread whose mailbox may still be full.
    fileprivate func waitPatiently(until condition: @escaping @Sendable () -> Bool) async -> Bool {
        while !post({}) { await Task.yield() }
        return await wait(until: condition)
    }
}
