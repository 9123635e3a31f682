import CLinux
import Glibc
import Telemetry

/// The thread that starts all processes, reads what they write and reaps them. It lasts as long as the tests: children get
/// SIGTERM when it ends, so none outlives a test run that crashes.
final class ProcessKeeper: Sendable {
    static let shared = ProcessKeeper()

    /// How often ends are looked for, and how much is read at once.
    private static let period: Int64 = 5_000_000
    private static let readSize = 64 * 1024

    private struct Request: Sendable {
        let name: String
        let words: [String]
        let continuation: CheckedContinuation<ChildProcess, any Error>
    }

    private struct Watched {
        let process: ChildProcess
        let output: Int32
        let errors: Int32
    }

    private let requests = Guarded<[Request]>([])
    private let doorbell = mx_eventfd_create()

    private init() {
        precondition(doorbell >= 0, "no eventfd")
        startThread { self.run() }
    }

    /// Starts a program with exactly this environment.
    ///
    /// - Parameter name: for messages.
    func start(
        name: String, program: String, arguments: [String], environment: [String: String]
    ) async throws -> ChildProcess {
        let settings = environment.map { "\($0.key)=\($0.value)" }.sorted()
        return try await withCheckedThrowingContinuation { continuation in
            let words = ["env", "-i"] + settings + [program] + arguments
            requests.withLock { $0.append(Request(name: name, words: words, continuation: continuation)) }
            mx_eventfd_signal(doorbell)
        }
    }

    private func run() {
        var watched: [Watched] = []
        while true {
            wait(watched)
            let starting = requests.withLock { requests in
                defer { requests = [] }
                return requests
            }
            for request in starting {
                do {
                    let child = try spawn(request)
                    watched.append(child)
                    request.continuation.resume(returning: child.process)
                } catch { request.continuation.resume(throwing: error) }
            }
            watched.removeAll { hasEnded($0) }
        }
    }

    private func wait(_ watched: [Watched]) {
        let descriptors = [doorbell] + watched.flatMap { [$0.output, $0.errors] }
        var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        mx_poll(&polled, polled.count, Self.period)
        mx_eventfd_drain(doorbell)
    }

    private func spawn(_ request: Request) throws -> Watched {
        let (output, errors) = (try Pipe(), try Pipe())
        defer {
            close(output.writeEnd)
            close(errors.writeEnd)
        }
        var words: [UnsafeMutablePointer<CChar>?] = request.words.map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var code: Int32 = 0
        let number = mx_spawn_child("env", words, output.writeEnd, errors.writeEnd, &code)
        guard number > 0 else {
            close(output.readEnd)
            close(errors.readEnd)
            throw Unmet("can't start \(request.words): \(String(cString: strerror(code)))")
        }
        let process = ChildProcess(name: request.name, number: number)
        return Watched(process: process, output: output.readEnd, errors: errors.readEnd)
    }

    /// Takes what there is to read, and then the end, so that nothing of the output is missing after it.
    private func hasEnded(_ child: Watched) -> Bool {
        var info = siginfo_t()
        let isOver =
            waitid(P_PID, id_t(child.process.number), &info, WEXITED | WNOHANG | WNOWAIT) == 0
            && info.si_signo == SIGCHLD
        drain(child.output) { child.process.take(output: $0) }
        drain(child.errors) { child.process.take(errors: $0) }
        guard isOver else { return false }
        close(child.output)
        close(child.errors)
        child.process.reap()
        return true
    }

    private func drain(_ descriptor: Int32, _ take: (ArraySlice<UInt8>) -> Void) {
        var buffer = [UInt8](repeating: 0, count: Self.readSize)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return }
            take(buffer[..<count])
        }
    }

    private struct Pipe {
        let readEnd: Int32
        let writeEnd: Int32

        init() throws {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw Unmet("no pipe: \(String(cString: strerror(errno)))") }
            for end in ends { mx_set_close_on_exec(end) }
            mx_set_nonblocking(ends[0], 1)
            (readEnd, writeEnd) = (ends[0], ends[1])
        }
    }
}
