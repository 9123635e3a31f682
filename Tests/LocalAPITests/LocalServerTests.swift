import EventThread
import Glibc
import LocalAPI
import Testing

/// A server, real clients over its socket.
struct LocalServerTests {
    private let folder: TemporaryFolder
    private let handler = TestHandler()
    private let server: LocalServer

    init() throws {
        folder = try TemporaryFolder()
        server = try LocalServer(path: folder.socket, handler: handler)
    }

    /// Runs the test's client on a thread that may block, then ends the server there.
    private func withServer<Value: Sendable>(
        _ body: @escaping @Sendable (String, TestHandler) throws -> Value
    ) async throws -> Value {
        let (path, handler, server) = (folder.socket, handler, server)
        return try await BlockingThread.run {
            defer { server.stop() }
            return try body(path, handler)
        }
    }

    @Test("A request is answered, and one connection may ask again")
    func answers() async throws {
        try await withServer { path, _ in
            let client = try LocalClient.connect(path)
            for model in ["a", "b"] {
                var request = LocalRequest(request: "echo")
                request.model = model
                try client.ask(request) { #expect($0.metrics == model && $0.isLast) }
            }
        }
    }

    @Test("Several lines of one answer come in order, the last one marked")
    func lines() async throws {
        let answers = try await withServer { path, _ in try ask(path, "stream") }
        #expect(answers.map(\.metrics) == ["line 1", "line 2", "line 3"])
        #expect(answers.map(\.isLast) == [false, false, true])
    }

    @Test("The socket is for its owner alone")
    func mode() async throws {
        try await withServer { path, _ in
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test("A handler that forgets its last line does not leave its client waiting")
    func forgotten() async throws {
        let answers = try await withServer { path, _ in try ask(path, "forget") }
        #expect(answers.count == 1)
        #expect(answers.first?.error?.contains("not answered to its end") == true)
    }

    @Test("A number that JSON can't hold becomes an error line")
    func infinity() async throws {
        let answers = try await withServer { path, _ in try ask(path, "infinite") }
        #expect(answers.first?.error == "an answer has no form in JSON")
    }

    @Test(
        "Garbage is answered with an error line, and the connection ends",
        arguments: [
            ("a word", Array("hello\n".utf8)), ("another object", Array("{}\n".utf8)), ("nothing", Array("\n".utf8)),
            ("no UTF-8", [0xFF, 0xFE, 0x0A]), ("half a text", Array(#"{"request":"\u0000"#.utf8) + [0x0A]),
            ("depth", [UInt8](repeating: 0x5B, count: 60_000) + [0x0A]),
        ] as [(String, [UInt8])])
    func garbage(kind: String, bytes: [UInt8]) async throws {
        let text = try await withServer { path, _ in
            let client = try RawClient(path)
            client.write(bytes)
            return client.readToEnd()
        }
        #expect(text.hasPrefix(#"{"error":"the request can't be read: "#))
        #expect(text.hasSuffix(#""exit_code":2,"is_last":true}"# + "\n"))
    }

    @Test("A line that is too long is answered with an error line, and the connection ends")
    func longLine() async throws {
        let text = try await withServer { path, _ in
            let client = try RawClient(path)
            client.write([UInt8](repeating: 0x20, count: 65_537))
            return client.readToEnd()
        }
        #expect(text.contains("a request line has at most 65536 bytes"))
    }

    @Test("A request that ends within its line is told so")
    func tornLine() async throws {
        let text = try await withServer { path, _ in
            let client = try RawClient(path)
            client.write(#"{"request""#)
            client.finishWriting()
            return client.readToEnd()
        }
        #expect(text.contains("ended within its line"))
    }

    @Test("A client that only finished writing is still answered")
    func halfClosed() async throws {
        let text = try await withServer { path, _ in
            let client = try RawClient(path)
            client.write(#"{"request":"echo","model":"m"}"# + "\n")
            client.finishWriting()
            return client.readToEnd()
        }
        #expect(text == #"{"is_last":true,"metrics":"m"}"# + "\n")
    }

    @Test("A running handler learns that its client has gone")
    func clientGone() async throws {
        try await withServer { path, handler in
            do {
                let client = try RawClient(path)
                client.write(#"{"request":"hold"}"# + "\n")
                #expect(waitUntil { handler.heldCount == 1 })
                #expect(handler.releasedCount == 0)
            }
            #expect(waitUntil { handler.releasedCount == 1 })
        }
    }

    @Test("Clients over the bound are told to come again, and admitted when others have left")
    func bound() async throws {
        try await withServer { path, handler in
            var clients: [RawClient] = []
            for _ in 0..<LocalServer.maximumConnections {
                let client = try RawClient(path)
                client.write(#"{"request":"hold"}"# + "\n")
                clients.append(client)
            }
            #expect(waitUntil { handler.heldCount == LocalServer.maximumConnections })
            for _ in 0..<5 {
                let answers = try ask(path, "echo")
                #expect(answers.first?.error?.contains("try again later") == true)
            }
            clients.removeFirst(3)
            #expect(waitUntil { (try? ask(path, "echo", model: "m"))?.first?.metrics == "m" })
        }
    }

    @Test("Stopping removes the socket, tells handlers, and ends connections")
    func stop() async throws {
        let (server, folder) = (server, folder)
        try await withServer { path, handler in
            let client = try RawClient(path)
            client.write(#"{"request":"hold"}"# + "\n")
            #expect(waitUntil { handler.heldCount == 1 })
            server.stop()
            #expect(waitUntil { handler.releasedCount == 1 })
            #expect(client.readToEnd() == "")
            #expect(access(path, F_OK) != 0)
            let next = try LocalServer(path: folder.socket, handler: handler)
            #expect(try ask(path, "echo", model: "again").first?.metrics == "again")
            next.stop()
        }
    }
}
