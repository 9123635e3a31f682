import CLinux
import EventThread
import Glibc
import Telemetry
import Testing

/// How long a test waits for what must happen.
let patience: UInt64 = 20_000_000_000

extension EventThread {
    /// A running thread.
    static func started(_ name: String = "test") throws -> EventThread {
        let thread = try EventThread(name: name)
        try thread.run()
        return thread
    }

    /// Waits on this thread until `condition`, asked there each millisecond, holds; false when patience ended first.
    func wait(until condition: @escaping @Sendable () -> Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            let deadline = MonotonicClock.now() + patience
            let accepted = post { self.ask(condition, deadline) { continuation.resume(returning: $0) } }
            if !accepted { continuation.resume(returning: false) }
        }
    }

    private func ask(_ condition: @escaping () -> Bool, _ deadline: UInt64, _ done: @escaping (Bool) -> Void) {
        if condition() { return done(true) }
        if MonotonicClock.now() > deadline { return done(false) }
        schedule(after: 1_000_000) { self.ask(condition, deadline, done) }
    }
}

/// A pipe, closed at the end.
final class Pipe: Sendable {
    let readEnd: Int32
    let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        let status = pipe(&ends)
        precondition(status == 0, "no descriptors left")
        (readEnd, writeEnd) = (ends[0], ends[1])
        mx_set_close_on_exec(readEnd)
        mx_set_close_on_exec(writeEnd)
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func write(_ text: String) { Glibc.write(writeEnd, text, text.utf8.count) }

    /// What is there now; waits while nothing is.
    func read() -> String {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = Glibc.read(readEnd, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// Something several threads add to.
final class Record<Element: Sendable>: Sendable {
    private let elements = Guarded([Element]())

    func append(_ element: Element) { elements.withLock { $0.append(element) } }

    var all: [Element] { elements.withLock { $0 } }
}
