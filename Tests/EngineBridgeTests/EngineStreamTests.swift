import EventThread
import Glibc
import Telemetry
import Testing

@testable import EngineBridge

@Suite("The socket beside a worker's")
struct EngineStreamTests {
    /// With so many a second close was caught in each of three runs.
    private static let attempts = 20_000

    @Test("Where nobody listens its descriptor is closed once, not again when another has the number")
    func closedOnce() async throws {
        let isOver = Guarded(false)
        let pool = try WorkerPool(name: "closing", threads: 2, capacity: 2)
        async let lost = withCheckedContinuation { continuation in
            pool.submit { continuation.resume(returning: Self.closedByOthers { isOver.withLock { $0 } }) }
        }
        let refusals = await withCheckedContinuation { continuation in
            pool.submit { continuation.resume(returning: Self.refusals(of: "/nonexistent/vllm-0.sock")) }
        }
        isOver.withLock { $0 = true }
        #expect(refusals == Self.attempts)
        #expect(await lost == 0)
        await withCheckedContinuation { continuation in
            DetachedWork.run {
                pool.stop()
                continuation.resume()
            }
        }
    }

    private static func refusals(of path: String) -> Int {
        (0..<attempts).reduce(0) { count, _ in
            do throws(EngineError) {
                _ = try EngineStream(path: path)
                return count
            } catch {
                return error == .gone ? count + 1 : count
            }
        }
    }

    /// How many files that are opened and closed here, again and again, somebody else has closed.
    private static func closedByOthers(until isOver: () -> Bool) -> Int {
        var lost = 0
        while !isOver() {
            let file = open("/dev/null", O_RDONLY | O_CLOEXEC)
            sched_yield()
            if file >= 0, close(file) != 0 { lost += 1 }
        }
        return lost
    }
}
