import HTTPFace
import Testing

@Suite("Slow content and slow readers")
struct SlowContentTests {
    private static func stuck(_ gate: Gate) -> HTTPFace.Content {
        HTTPFace.Content(
            state: {
                await gate.wait()
                return ("late", true)
            },
            metrics: {
                await gate.wait()
                return "late 1\n"
            },
            json: { _, _ in
                await gate.wait()
                return JSONBody([])
            })
    }

    /// Whether a path gives 200 in the end: on a slow machine, the short time may be over for what does not hang, too.
    private static func comesThrough(_ path: String, port: UInt16) throws -> Bool {
        for _ in 0..<200 where try get(path, port: port).status == 200 { return true }
        return false
    }

    @Test("Content that hangs is answered for in time, and liveness stays 200")
    func hanging() async throws {
        let gate = Gate()
        try await withFace(Self.stuck(gate), loopback(requestTimeout: 100_000_000)) { port throws in
            #expect(try get("/metrics", port: port).status == 503)
            let client = try RawClient(port: port)
            let health = try client.exchange(line("GET", "/healthz"))
            #expect(health.status == 200)
            #expect(health.text == "{\"state\":\"unknown\"}\n")
            #expect(try get("/readyz", port: port).status == 503)
        }
        gate.open()
    }

    @Test("Content that hangs is asked a bounded number of times, and probes don't wait behind it")
    func boundedAnswers() async throws {
        let gate = Gate()
        var content = Self.stuck(gate)
        content.state = { ("serving", true) }
        try await withFace(content, loopback(requestTimeout: 100_000_000)) { port throws in
            let clients = try (0..<40).map { _ in try RawClient(port: port) }
            for client in clients { try client.send(line("GET", "/metrics")) }
            for client in clients { #expect(try client.reply().status == 503) }
            #expect(OwnThread.poll { gate.waitingCount == 8 })
            #expect(try Self.comesThrough("/readyz", port: port))
            #expect(gate.waitingCount == 8)
            gate.open()
            // Those that nobody waited for any more have ended then, and the next one gets its turn.
            #expect(try Self.comesThrough("/metrics", port: port))
        }
    }

    @Test("An answer that comes after its time isn't taken for the next request's")
    func lateAnswer() async throws {
        let gate = Gate()
        var content = Self.stuck(gate)
        content.state = { ("serving", true) }
        try await withFace(content, loopback(requestTimeout: 100_000_000)) { port throws in
            let client = try RawClient(port: port)
            #expect(try client.exchange(line("GET", "/metrics")).status == 503)
            gate.open()
            for _ in 0..<100 {
                let reply = try client.exchange(line("GET", "/healthz"))
                #expect(reply.status == 200)
                #expect(reply.text.hasPrefix("{\"state\""))
            }
        }
    }

    @Test("Answers that their clients don't take are held up to a bound; others get 503, small ones still go through")
    func unreadAnswers() async throws {
        let body = [UInt8](repeating: 0x20, count: 16_000_000)
        var content = plainContent()
        content.json = { _, _ in JSONBody(body) }
        try await withFace(content, loopback(maximumUnsentBytes: 40_000_000)) { port throws in
            let clients = try (0..<6).map { _ in try RawClient(port: port, receiveBuffer: 4096) }
            for client in clients { try client.send(line("GET", "/api/v1/peers")) }
            let statuses = try clients.map { client in try client.statusOnly() }
            #expect(statuses.filter { $0 == 200 }.count == 2)
            #expect(statuses.filter { $0 == 503 }.count == 4)
            #expect(try get("/healthz", port: port).status == 200)
        }
    }
}
