import Glibc
import HTTPFace
import Testing

@Suite("Hostile clients")
struct HostileTests {
    @Test(
        "What is not a request gets 400 and the end",
        arguments: [
            "GET /\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\u{0}b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", "GET healthz HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", "G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", " \r\n\r\n",
        ])
    func malformed(text: String) async throws {
        try await withFace { port throws in
            let client = try RawClient(port: port)
            let reply = try client.exchange(text)
            #expect(reply.status == 400)
            #expect(reply.headers["connection"] == "close")
            #expect(reply.text.hasPrefix("{\"error\":"))
            #expect(try client.receiveToEnd().isEmpty)
        }
    }

    @Test("Invalid UTF-8 in the target is 400, in a header's value it is let pass")
    func invalidUTF8() async throws {
        try await withFace { port throws in
            let target = try RawClient(port: port)
            try target.send(Array("GET /".utf8) + [0xFF, 0xC0] + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            #expect(try target.reply().status == 400)
            let value = try RawClient(port: port)
            try value.send(Array("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0xFF, 0x0D, 0x0A, 0x0D, 0x0A])
            #expect(try value.reply().status == 200)
        }
    }

    @Test("Other versions of HTTP are 505")
    func versions() async throws {
        try await withFace { port throws in
            let reply = try RawClient(port: port).exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            #expect(reply.status == 505)
        }
    }

    @Test("Random bytes and torn requests end their connection at most")
    func garbage() async throws {
        try await withFace(plainContent(), loopback(requestTimeout: 2_000_000_000)) { port throws in
            var state: UInt64 = 0x9E37_79B9_7F4A_7C15
            func random(_ bound: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % bound
            }
            let whole = Array(line("GET", "/api/v1/peers", "Content-Length: 3", "Connection: x").utf8)
            for round in 0..<400 {
                var bytes = round % 2 == 0 ? whole : (0..<random(3000)).map { _ in UInt8(random(256)) }
                for _ in 0..<random(6) where !bytes.isEmpty { bytes[random(bytes.count)] = UInt8(random(256)) }
                let client = try RawClient(port: port)
                try? client.send(Array(bytes.prefix(round % 5 == 0 ? random(bytes.count + 1) : bytes.count)))
                client.finishSending()
                _ = try? client.receiveToEnd()
            }
            #expect(try get("/healthz", port: port).status == 200)
        }
    }

    @Test("A flood of headers, in one line or in many, is 431")
    func headerFlood() async throws {
        try await withFace { port throws in
            for piece in [String(repeating: "a", count: 1000), "X: y\r\n"] {
                let client = try RawClient(port: port)
                try client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Flood: ")
                var sent = 0
                while sent < 16_000_000, (try? client.send(piece)) != nil { sent += piece.utf8.count }
                // Far more than the bound may lie in the kernel's buffers; the face itself keeps none of it.
                #expect(sent < 16_000_000)
            }
            let polite = try RawClient(port: port)
            try polite.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 70_000))
            #expect(try polite.reply().status == 431)
            let many = line("GET", "/", String(repeating: "X: y\r\n", count: 120) + "X: y")
            #expect(try RawClient(port: port).exchange(many).status == 431)
        }
    }

    @Test("A request line that is too long is 414, a body that is too large 413")
    func oversized() async throws {
        try await withFace { port throws in
            let long = "GET /" + String(repeating: "a", count: 10_000)
            #expect(try RawClient(port: port).exchange(long).status == 414)
            for length in ["65537", "9223372036854775807", "99999999999999999999999999"] {
                let client = try RawClient(port: port)
                #expect(try client.exchange(line("POST", "/healthz", "Content-Length: \(length)")).status == 413)
            }
            let client = try RawClient(port: port)
            try client.send(line("POST", "/healthz", "Content-Length: 60000"))
            try client.send([UInt8](repeating: 0x61, count: 60_000))
            #expect(try client.reply().status == 405)
        }
    }

    @Test("A request that comes too slowly gets 408 and the end, however steadily its bytes drip")
    func slowLoris() async throws {
        try await withFace(plainContent(), loopback(requestTimeout: 200_000_000)) { port throws in
            let silent = try RawClient(port: port)
            #expect(try silent.receiveToEnd().isEmpty)
            let torn = try RawClient(port: port)
            try torn.send("GET /healthz HTTP/1.1\r\n")
            #expect(try torn.reply().status == 408)
            #expect(try torn.receiveToEnd().isEmpty)
            let drip = try RawClient(port: port)
            // The send fails once the face has closed.
            var drops = 0
            while drops < 20_000, (try? drip.send("a")) != nil {
                drops += 1
                usleep(1000)
            }
            #expect(drops < 20_000)
            #expect(try get("/healthz", port: port).status == 200)
        }
    }

    @Test("Clients that hold connections without asking give way to one that asks")
    func eviction() async throws {
        try await withFace(plainContent(), loopback(maximumConnections: 8)) { port throws in
            let idle = try (0..<40).map { _ in try RawClient(port: port) }
            for client in idle { try? client.send("GET /") }
            #expect(try get("/healthz", port: port).status == 200)
            let evicted = idle.prefix(30).filter { (try? $0.receiveToEnd())?.isEmpty != false }
            #expect(evicted.count == 30)
        }
    }

    @Test("Thousands of connections that come and go leave nothing behind")
    func churn() async throws {
        try await withFace(plainContent(), loopback(maximumConnections: 4)) { port throws in
            for _ in 0..<2000 { _ = try RawClient(port: port) }
            #expect(try get("/healthz", port: port).status == 200)
        }
    }
}
