import Glibc
import Telemetry

/// How a process ended.
enum Ending: Equatable, Sendable {
    case code(Int32)
    case signal(Int32)

    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7F
        self = signal == 0 ? .code(waitStatus >> 8 & 0xFF) : .signal(signal)
    }
}

/// A process of a test. `ProcessKeeper` reads what it writes and waits for its end.
final class ChildProcess: Sendable {
    private struct State {
        var output = LineBuffer()
        var errors = LineBuffer()
        var events: [JobEvent] = []
        var ending: Ending?
    }

    let name: String
    let number: pid_t
    private let state = Guarded(State())

    init(name: String, number: pid_t) {
        self.name = name
        self.number = number
    }

    /// Nil while it runs. When it is set, all output is there.
    var ending: Ending? { state.withLock { $0.ending } }
    /// Lines of standard output that are JSON events.
    var events: [JobEvent] { state.withLock { $0.events } }
    /// Standard output and standard error as they are by now.
    var output: String { state.withLock { $0.output.text } }
    var errors: String { state.withLock { $0.errors.text } }
    var errorLines: [String] { state.withLock { $0.errors.lines } }

    /// Does nothing once the process was reaped, when its number may be another's.
    func send(_ signal: Int32) {
        state.withLock { if $0.ending == nil { kill(number, signal) } }
    }

    @discardableResult
    func end(within bound: Duration = .seconds(60)) async throws -> Ending {
        do {
            return try await eventually("the end of \(name)", within: bound) { ending }
        } catch let error as Unmet { throw Unmet("\(error)\n\(report)") }
    }

    /// SIGKILL, and until it is gone.
    func killed() async throws {
        send(SIGKILL)
        try await end(within: .seconds(10))
    }

    /// Waits for an event, which must come before the process ends.
    @discardableResult
    func event(
        _ what: String, within bound: Duration = .seconds(60), where matches: (JobEvent) -> Bool
    ) async throws -> JobEvent {
        do {
            return try await eventually("\(what) of \(name)", within: bound) {
                let hasEnded = ending != nil
                if let event = events.first(where: matches) { return event }
                if hasEnded { throw Unmet("\(name) ended without \(what)") }
                return nil
            }
        } catch let error as Unmet { throw Unmet("\(error)\n\(report)") }
    }

    /// The first event with this name.
    @discardableResult
    func event(_ name: String, within bound: Duration = .seconds(60)) async throws -> JobEvent {
        try await event("event \"\(name)\"", within: bound) { $0.event == name }
    }

    /// For the message of a failed test.
    var report: String {
        let state = ending.map { "\($0)" } ?? "running"
        let told = output.split(separator: "\n").filter { !$0.contains(#""event":"progress""#) }.joined(separator: "\n")
        return "-- \(name) (\(number), \(state))\n\(told.suffix(1500))\n\(errors.suffix(2500))"
    }

    // MARK: For ProcessKeeper

    func take(output bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            for line in state.output.append(bytes) {
                if let event = try? JSON.decode(JobEvent.self, line) { state.events.append(event) }
            }
        }
    }

    func take(errors bytes: ArraySlice<UInt8>) { state.withLock { _ = $0.errors.append(bytes) } }

    /// Lets the kernel forget the process. Within the lock, so that nobody signals its number afterwards.
    func reap() {
        state.withLock { state in
            var status: Int32 = 0
            waitpid(number, &status, 0)
            state.ending = Ending(waitStatus: status)
        }
    }
}

/// Text that comes in pieces.
struct LineBuffer: Sendable {
    private(set) var lines: [String] = []
    private var rest: [UInt8] = []

    var text: String { lines.map { $0 + "\n" }.joined() + String(decoding: rest, as: UTF8.self) }

    /// Returns the lines that are now complete.
    mutating func append(_ bytes: ArraySlice<UInt8>) -> [String] {
        rest += bytes
        guard let last = rest.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        let complete = rest[..<last].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        rest.removeSubrange(...last)
        lines += complete
        return complete
    }
}
