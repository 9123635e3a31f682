import EventThread
import Glibc
import Records
import Telemetry
import Testing

/// Asks again and again, for a bounded time, without holding a thread.
func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    let end = MonotonicClock.now() + 20 * Duration64.second
    while try await !condition() {
        try #require(MonotonicClock.now() < end, "not in time: \(what)")
        await Task.yield()
        try await Task.sleep(nanoseconds: 5 * Duration64.millisecond)
    }
}

/// Runs what blocks on a thread of its own.
func offPool<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    let pool = try WorkerPool(name: "test", threads: 1, capacity: 1)
    return try await withCheckedThrowingContinuation { continuation in
        pool.submit {
            continuation.resume(with: Swift.Result(catching: body))
            // Keeps the pool until here; it ends with this closure.
            withExtendedLifetime(pool) {}
        }
    }
}

/// A counter of the whole process, by its name and labels as the exposition writes them.
func counted(_ series: String) -> Double {
    for line in Metrics.shared.exposition().split(separator: "\n") where line.hasPrefix(series + " ") {
        return line.split(separator: " ").last.flatMap { Double($0) } ?? 0
    }
    return 0
}

/// What this process holds.
struct Holdings {
    let descriptors: Int
    let threads: Int
    /// Heap and stacks, bytes.
    let anonymous: UInt64

    static func now() -> Holdings {
        Holdings(
            descriptors: entries("/proc/self/fd"), threads: entries("/proc/self/task"),
            anonymous: ProcessMemory.current()?.anonymous ?? 0)
    }

    private static func entries(_ path: String) -> Int {
        guard let folder = opendir(path) else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return count
    }
}

/// Something a handler adds to and a test reads.
final class Record<Element: Sendable>: Sendable {
    private let elements = Guarded([Element]())

    func append(_ element: Element) { elements.withLock { $0.append(element) } }

    var all: [Element] { elements.withLock { $0 } }

    var count: Int { elements.withLock { $0.count } }
}
