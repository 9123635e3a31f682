import EventThread
import Glibc
import LocalAPI
import Telemetry
import Testing

/// Each in a process of its own, whose limit of open files can be lowered.
struct NoDescriptorTests {
    @Test("A server that has no descriptor left rests between its attempts, and serves the waiting client later")
    func server() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            let server = try LocalServer(path: folder.socket, handler: TestHandler())
            let failures = Metrics.shared.counter("modelexpress_local_api_accept_failures_total", help: "")
            try await BlockingThread.run {
                let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                let before = try limitDescriptors()
                let start = MonotonicClock.now()
                #expect(RawClient.onAddress(folder.socket) { connect(client, $0, $1) } == 0)
                #expect(waitUntil { failures.value >= 3 })
                #expect(MonotonicClock.now() - start >= 2 * LocalLimits.acceptPause)
                setDescriptorLimit(before)
                let request = Array((#"{"request":"echo","model":"m"}"# + "\n").utf8)
                #expect(send(client, request, request.count, Int32(MSG_NOSIGNAL)) == request.count)
                var answer = [UInt8](repeating: 0, count: 100)
                let count = recv(client, &answer, answer.count, 0)
                #expect(String(decoding: answer.prefix(max(0, count)), as: UTF8.self).contains(#""metrics":"m""#))
                close(client)
                server.stop()
            }
        }
    }

    @Test("Waiting for a task needs no descriptor, and cancels it when asked to")
    func awaitBridge() async {
        await #expect(processExitsWith: .success) {
            try await BlockingThread.run {
                let before = try limitDescriptors()
                #expect(AwaitBridge.wait { 7 } == 7)
                let isCancelled = AwaitBridge.wait(isCancelled: { true }) {
                    while !Task.isCancelled { await Task.yield() }
                    return Task.isCancelled
                }
                #expect(isCancelled)
                setDescriptorLimit(before)
            }
        }
    }
}

/// Lowers the limit so that no more descriptors can be opened. Returns the limit before.
private func limitDescriptors() throws -> UInt {
    var limit = rlimit()
    try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    let free = dup(0)
    try #require(free >= 0)
    setDescriptorLimit(UInt(free) + 1)
    // Other threads of a young process may still close some: their numbers are taken too.
    for _ in 0..<20 {
        while dup(0) >= 0 {}
        poll(nil, 0, 1)
    }
    return limit.rlim_cur
}

private func setDescriptorLimit(_ soft: UInt) {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = soft
    #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
}
