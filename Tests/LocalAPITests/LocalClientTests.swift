import EventThread
import Glibc
import LocalAPI
import Testing

/// What a client makes of peers that are missing or misbehave.
struct LocalClientTests {
    @Test("A missing peer's error says what to do")
    func missing() {
        let error = #expect(throws: LocalClientError.self) { try LocalClient.connect("/tmp/no-such-folder/s") }
        #expect(
            error?.description
                == "no peer runs with state folder /tmp/no-such-folder: start one, or name a server with --server URL")
    }

    /// Asks one that answers `bytes` and ends, or never ends.
    private func askFake(_ bytes: String, ends: Bool = true) async throws -> LocalClientError? {
        let folder = try TemporaryFolder()
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        try #require(RawClient.onAddress(folder.socket) { bind(listener, $0, $1) } == 0)
        try #require(listen(listener, 1) == 0)
        return try await BlockingThread.run {
            let client = try LocalClient.connect(folder.socket)
            let peer = accept(listener, nil, nil)
            defer { if !ends { close(peer) } }
            _ = send(peer, bytes, bytes.utf8.count, Int32(MSG_NOSIGNAL))
            if ends { close(peer) }
            do throws(LocalClientError) {
                try client.ask(LocalRequest(request: "status"), silence: 50_000_000) { _ in }
                return nil
            } catch {
                return error
            }
        }
    }

    @Test("A peer that ends before its last line is told from a complete answer")
    func ended() async throws {
        for bytes in ["", #"{"is_last":false}"# + "\n", #"{"is_last":tr"#] {
            guard case .ended = try await askFake(bytes) else {
                Issue.record("\(bytes) should end early")
                continue
            }
        }
        #expect(try await askFake(#"{"is_last":true}"# + "\n") == nil)
    }

    @Test("An answer that is no JSON is an error")
    func garbage() async throws {
        guard case .badAnswer = try await askFake("what?\n") else {
            Issue.record("a bad answer was taken")
            return
        }
    }

    @Test("A peer that says nothing is given up")
    func silent() async throws {
        guard case .silent = try await askFake(#"{"is_last":false}"# + "\n", ends: false) else {
            Issue.record("silence was waited for")
            return
        }
    }
}
