import EventThread
import Glibc
import LocalAPI
import Telemetry
import Testing

/// How long a test waits for what must happen.
let patience: UInt64 = 20_000_000_000

/// A folder of its own, gone at the end.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/mx-local-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in ["s", "s.lock", "state/s", "state/s.lock"] { unlink("\(path)/\(name)") }
        rmdir("\(path)/state")
        rmdir(path)
    }

    var socket: String { "\(path)/s" }
}

/// Answers in the way that a request's name asks for.
final class TestHandler: LocalRequestHandler {
    private let held = Guarded(0)
    private let released = Guarded(0)

    /// Requests that wait for their client's end now or did.
    var heldCount: Int { held.withLock { $0 } }
    /// Those that noticed it.
    var releasedCount: Int { released.withLock { $0 } }

    func handle(_ request: LocalRequest, reply: LocalReply) {
        switch request.request {
        case "hold":
            held.withLock { $0 += 1 }
            waitUntil { reply.isClientGone }
            if reply.isClientGone { released.withLock { $0 += 1 } }
        case "stream":
            for number in 1...3 {
                var answer = LocalAnswer(isLast: number == 3)
                answer.metrics = "line \(number)"
                reply.send(answer)
            }
        case "infinite":
            var answer = LocalAnswer(isLast: true)
            answer.job = JobEvent(event: "complete")
            answer.job?.seconds = .infinity
            reply.send(answer)
        case "forget": return
        default:
            var answer = LocalAnswer(isLast: true)
            answer.metrics = request.model ?? "none"
            #expect(reply.send(answer))
            #expect(!reply.send(answer), "nothing follows the last line")
        }
    }
}

/// Asks each millisecond, on a thread that may block, until it holds or patience ends.
@discardableResult
func waitUntil(_ condition: () -> Bool) -> Bool {
    let deadline = MonotonicClock.now() + patience
    while !condition() {
        if MonotonicClock.now() > deadline { return false }
        poll(nil, 0, 1)
    }
    return true
}

/// A client that keeps no rules. Blocks.
final class RawClient: Sendable {
    let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(Self.onAddress(path) { Glibc.connect(descriptor, $0, $1) } == 0)
    }

    deinit { close(descriptor) }

    func write(_ bytes: [UInt8]) { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    func write(_ text: String) { write(Array(text.utf8)) }

    func finishWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Everything until the server ends the connection, or patience ends.
    func readToEnd() -> String {
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, Int32(patience / 1_000_000)) == 1 else { return "no end" }
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { return String(decoding: all, as: UTF8.self) }
            all += piece[..<count]
        }
    }

    static func onAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// Asks and collects. Blocks.
func ask(_ path: String, _ name: String, model: String? = nil) throws -> [LocalAnswer] {
    var request = LocalRequest(request: name)
    request.model = model
    var answers: [LocalAnswer] = []
    try LocalClient.connect(path).ask(request) { answers.append($0) }
    return answers
}
