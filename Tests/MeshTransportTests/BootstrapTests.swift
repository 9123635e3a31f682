import Digest
import EventThread
import Glibc
import Records
import Telemetry
import Testing

@testable import MeshTransport

@Suite("Bootstrap bears strangers")
struct BootstrapTests {
    @Test("An answer may come in pieces")
    func pieces() async throws {
        let answer = [UInt8](repeating: 7, count: 300)
        let outcome = try await ask { stranger in
            var writer = WireWriter()
            writer.write(answer)
            for byte in writer.bytes { guard stranger.send([byte]) else { return } }
        }
        #expect(outcome == .answered(answer))
    }

    @Test("An answer that trickles has one deadline for the whole of it")
    func trickle() async throws {
        let outcome = try await ask { stranger in
            var writer = WireWriter()
            writer.write(UInt32(WireLimits.bootstrapAnswer))
            guard stranger.send(writer.bytes) else { return }
            while stranger.send([0]), !stranger.isLeft(within: 50) {}
        }
        #expect(outcome == .failed("no answer in time"))
    }

    @Test("An answer too long, and none at all, are failures")
    func refused() async throws {
        let tooLong = try await ask { stranger in
            var writer = WireWriter()
            writer.write(UInt32(WireLimits.bootstrapAnswer + 1))
            _ = stranger.send(writer.bytes)
        }
        #expect(tooLong == .failed("it is no ModelExpress peer"))
        let silent = try await ask { _ in }
        guard case .failed(let reason) = silent else {
            Issue.record("silence was taken for an answer")
            return
        }
        #expect(reason.hasPrefix("it gave no answer"))
    }

    @Test("A listener that has no descriptor left rests between its attempts, and serves the waiting client later")
    func noDescriptor() async {
        await #expect(processExitsWith: .success) {
            let peer = try await TestCluster().peer()
            let port = peer.endpoints.bootstrapPort
            // On a thread of its own: a task that sleeps can need a descriptor.
            try await offPool { try outlastDescriptors(port: port) }
            await peer.host.stop()
        }
    }

    /// What the client makes of a listener that reads the request and then behaves as told.
    private func ask(_ behaviour: @escaping @Sendable (Stranger) -> Void) async throws -> BootstrapClient.Outcome {
        let listener = try Stranger.Listener()
        let thread = try WorkerPool(name: "stranger", threads: 1, capacity: 1)
        let request = try #require(
            BootstrapRequest(
                cluster: ClusterID(.zero), nonce: [UInt8](repeating: 1, count: BootstrapRequest.nonceSize)))
        thread.submit { listener.serveOne(behaviour) }
        let port = listener.port
        let outcomes = try await offPool { BootstrapClient.ask(host: "127.0.0.1", port: port, request: request) }
        // Waits for the stranger, who learns that the client has left.
        try await offPool { thread.stop() }
        return try #require(outcomes.first)
    }
}

/// Connects to a peer that has no descriptor for it, waits for some attempts to take it in, and then is answered.
private func outlastDescriptors(port: UInt16) throws {
    let failures = Metrics.shared.counter("modelexpress_bootstrap_accept_failures_total", help: "")
    let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    let before = try limitDescriptors()
    let start = MonotonicClock.now()
    #expect(Stranger.onLoopback(port) { connect(client, $0, $1) } == 0)
    while failures.value < 3, MonotonicClock.now() < start + 20 * Duration64.second { poll(nil, 0, 1) }
    #expect(failures.value >= 3)
    #expect(MonotonicClock.now() - start >= 2 * TransportLimits.acceptPause)
    setDescriptorLimit(before)
    let garbage = [UInt8](repeating: 1, count: WireLimits.bootstrapRequest)
    #expect(send(client, garbage, garbage.count, Int32(MSG_NOSIGNAL)) == garbage.count)
    var byte: UInt8 = 0
    #expect(recv(client, &byte, 1, 0) == 0)
}

/// Who answers at a bootstrap port without being a peer.
private struct Stranger {
    final class Listener: Sendable {
        let port: UInt16
        private let descriptor: Int32

        init() throws {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let bound = Stranger.onLoopback(0) { bind(descriptor, $0, $1) }
            try #require(bound == 0 && listen(descriptor, 1) == 0)
            self.descriptor = descriptor
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            _ = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            port = UInt16(bigEndian: address.sin_port)
        }

        deinit { close(descriptor) }

        func serveOne(_ behaviour: (Stranger) -> Void) {
            let accepted = accept(descriptor, nil, nil)
            defer { close(accepted) }
            var request = [UInt8](repeating: 0, count: WireLimits.bootstrapRequest)
            guard recv(accepted, &request, request.count, Int32(MSG_WAITALL)) == request.count else { return }
            behaviour(Stranger(descriptor: accepted))
        }
    }

    let descriptor: Int32

    func send(_ bytes: [UInt8]) -> Bool {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Whether the client leaves within so many milliseconds.
    func isLeft(within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    static func onLoopback(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
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
