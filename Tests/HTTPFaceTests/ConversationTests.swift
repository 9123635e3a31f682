import Testing

@testable import HTTPFace

@Suite("Conversations")
struct ConversationTests {
    @Test("A connection takes many requests, also those sent at once and cut anywhere")
    func pipelining() async throws {
        try await withFace { port throws in
            let client = try RawClient(port: port)
            let requests = Array(String(repeating: line("GET", "/healthz") + line("GET", "/no"), count: 200).utf8)
            for start in stride(from: 0, to: requests.count, by: 37) {
                try client.send(Array(requests[start..<min(start + 37, requests.count)]))
            }
            for _ in 0..<200 {
                #expect(try client.reply().status == 200)
                #expect(try client.reply().status == 404)
            }
        }
    }

    @Test("Connection: close and HTTP/1.0 end the connection after the answer")
    func closing() async throws {
        try await withFace { port throws in
            for request in [line("GET", "/healthz", "Connection: foo, Close"), "GET /healthz HTTP/1.0\r\n\r\n"] {
                let client = try RawClient(port: port)
                let reply = try client.exchange(request)
                #expect(reply.status == 200)
                #expect(reply.headers["connection"] == "close")
                #expect(try client.receiveToEnd().isEmpty)
            }
        }
    }

    @Test("HTTP/1.0 keeps the connection when asked to, and is told so")
    func oldKeepAlive() async throws {
        try await withFace { port throws in
            let client = try RawClient(port: port)
            for _ in 0..<3 {
                let reply = try client.exchange("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(reply.headers["connection"] == "keep-alive")
            }
        }
    }

    @Test("A client that has finished sending still gets its answer")
    func halfClosed() async throws {
        try await withFace { port throws in
            let client = try RawClient(port: port)
            try client.send(line("GET", "/metrics"))
            client.finishSending()
            #expect(try client.reply().status == 200)
            #expect(try client.receiveToEnd().isEmpty)
        }
    }

    @Test("An address with http:// and a host is understood")
    func absoluteTarget() async throws {
        try await withFace { port throws in
            #expect(try get("http://any:80/healthz?x", port: port).status == 200)
            #expect(try get("HTTP://any", port: port).text.hasPrefix("ModelExpress"))
        }
    }

    @Test("A request with a body is answered, its body never taken for the next request")
    func body() async throws {
        try await withFace { port throws in
            let client = try RawClient(port: port)
            let inner = line("GET", "/metrics")
            let reply = try client.exchange(line("GET", "/healthz", "Content-Length: \(inner.utf8.count)") + inner)
            #expect(reply.status == 200)
            #expect(reply.headers["connection"] == "close")
            #expect(try client.receiveToEnd().isEmpty)
        }
    }

    @Test("A large answer comes whole")
    func large() async throws {
        let body = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var content = plainContent()
        content.json = { _, _ in JSONBody(body) }
        let received = try await withFace(content) { try get("/api/v1/peers", port: $0).body }
        #expect(received == body)
    }

    @Test("A port in use is an error that names it and the flag")
    func portInUse() async throws {
        let first = try await HTTPFace.start(loopback(), content: plainContent())
        let error = await #expect(throws: HTTPFaceError.self) {
            _ = try await HTTPFace.start(loopback(port: first.port), content: plainContent())
        }
        #expect(error == .portInUse(address: "127.0.0.1", port: first.port))
        #expect(error?.description.contains("\(first.port)") == true)
        #expect(error?.description.contains("--http-port") == true)
        await first.stop()
    }

    @Test("Addresses that can't be listened on are errors that say so")
    func addresses() async throws {
        for (address, expected) in [
            ("localhost", HTTPFaceError.notAnAddress("localhost")), ("", .notAnAddress("")),
            ("203.0.113.7", .addressNotHere("203.0.113.7")),
        ] {
            await #expect(throws: expected) {
                _ = try await HTTPFace.start(.init(address: address, port: 0), content: plainContent())
            }
        }
    }

    @Test("stop gives the port back and ends connections, also those waiting for an answer")
    func stopping() async throws {
        let gate = Gate()
        var content = plainContent()
        content.metrics = {
            await gate.wait()
            return ""
        }
        let face = try await HTTPFace.start(loopback(), content: content)
        let port = face.port
        async let waiting = OwnThread.run {
            let client = try RawClient(port: port)
            try client.send(line("GET", "/metrics"))
            return try client.receiveToEnd()
        }
        #expect(try await OwnThread.wait { gate.waitingCount == 1 })
        await face.stop()
        await face.stop()
        #expect(try await waiting.isEmpty)
        gate.open()
        let second = try await HTTPFace.start(loopback(port: port), content: plainContent())
        #expect(try await OwnThread.run { try get("/healthz", port: port).status } == 200)
        await second.stop()
    }

    @Test("A face that nobody holds any more gives its port back")
    func abandoned() async throws {
        var face: HTTPFace? = try await HTTPFace.start(loopback(), content: plainContent())
        let port = try #require(face?.port)
        face = nil
        let isFree = try await OwnThread.wait { (try? RawClient(port: port)) == nil }
        #expect(isFree)
        _ = face
    }
}
