import Glibc
import Telemetry

/// Threads of the tests, which may block where Swift's own must not.
enum OwnThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a new thread and waits for it without blocking this one.
    static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            let work = Unmanaged.passRetained(Work { continuation.resume(with: Result(catching: body)) })
            var handle = pthread_t()
            let status = pthread_create(
                &handle, nil,
                { argument in
                    if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
                    return nil
                }, work.toOpaque())
            precondition(status == 0, "no thread left")
            pthread_detach(handle)
        }
    }

    /// Asks on a thread of its own until `condition` holds; false when patience ended first.
    static func wait(until condition: @escaping @Sendable () -> Bool) async throws -> Bool {
        try await run { poll(until: condition) }
    }

    /// The same on this thread, which must be one of ours.
    static func poll(until condition: () -> Bool) -> Bool {
        for _ in 0..<20_000 {
            if condition() { return true }
            usleep(1000)
        }
        return false
    }
}

/// A door that tasks wait at until it is opened.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Guarded(State())

    var waitingCount: Int { state.withLock { $0.waiting.count } }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            let waiting = state.waiting
            state.isOpen = true
            state.waiting = []
            return waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
