import EventThread
import Glibc
import Telemetry
import Testing

@testable import LocalAPI

/// A server of one HTTP request, on a port of its own.
private final class FakeServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let seen = Guarded("")

    /// What was asked.
    var request: String { seen.withLock { $0 } }

    init() throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) | listen(listener, 1) | getsockname(listener, $0, &length)
            }
        }
        try #require(status == 0)
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(listener) }

    /// Answers in `pieces`, on a thread of its own, then closes; where `isHasty` without listening to the end.
    func answer(_ pieces: [String], isHasty: Bool = false) throws {
        let listener = listener
        try BlockingThread.start(name: "fake-http") { [self] in
            let client = accept(listener, nil, nil)
            var bytes = [UInt8](repeating: 0, count: 4096)
            var text = ""
            while !text.hasSuffix("\r\n\r\n"), !isHasty || text.isEmpty {
                let count = recv(client, &bytes, bytes.count, 0)
                guard count > 0 else { break }
                text += String(decoding: bytes[..<count], as: UTF8.self)
            }
            seen.withLock { $0 = text }
            for piece in pieces { _ = send(client, piece, piece.utf8.count, Int32(MSG_NOSIGNAL)) }
            close(client)
        }
    }
}

struct HTTPQueryTests {
    private static let json = #"{"is_last":true,"metrics":"ok"}"#

    private func query(
        _ pieces: [String], base: String = ""
    ) async throws -> (request: String, result: Result<LocalAnswer, HTTPQueryError>) {
        let server = try FakeServer()
        try server.answer(pieces)
        let result = try await BlockingThread.run { () -> Result<LocalAnswer, HTTPQueryError> in
            do throws(HTTPQueryError) {
                return .success(try HTTPQuery(server: "http://127.0.0.1:\(server.port)\(base)").get("peers"))
            } catch {
                return .failure(error)
            }
        }
        return (server.request, result)
    }

    @Test("The API is asked under its base, and asked to close")
    func request() async throws {
        let (request, _) = try await query(["HTTP/1.1 200 OK\r\n\r\n"], base: "/mesh/")
        #expect(request.hasPrefix("GET /mesh/api/v1/peers HTTP/1.1\r\nHost: 127.0.0.1:"))
        #expect(request.contains("\r\nConnection: close\r\n"))
    }

    @Test(
        "A body is read by its length, in chunks, or to the end",
        arguments: [
            ["HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n\(json)and more"],
            ["HTTP/1.1 200 OK\r\ncontent-length:31\r\n", "\r\n", "\(json)"],
            ["HTTP/1.1 200 OK\r\nServer: x\r\n\r\n\(json.prefix(7))", "\(json.dropFirst(7))"],
            ["HTTP/1.0 200 OK\n\n\(json)"],
            [
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7;a=b\r\n\(json.prefix(7))", "\r",
                "\n18\r\n\(json.dropFirst(7))\r\n0\r\n\r\n",
            ],
        ])
    func bodies(pieces: [String]) async throws {
        let (_, result) = try await query(pieces)
        #expect(try result.get().metrics == "ok")
    }

    @Test("An error that the server explains keeps its explanation")
    func explained() async throws {
        let (_, result) = try await query([
            "HTTP/1.1 503 No\r\n\r\n", #"{"error":"starting","exit_code":5,"is_last":true}"#,
        ])
        #expect(try result.get().error == "starting")
    }

    @Test(
        "Answers that are cut short, or of something else, are errors",
        arguments: [
            [""], ["HTTP/1.1 200 OK\r\n"], ["HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{"],
            ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1F\r\n\(json)\r\n"],
            ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
            ["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"], ["SSH-2.0-OpenSSH\r\n\r\n"],
            ["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], ["HTTP/1.1 200 OK\r\n\r\n<html>"],
        ])
    func malformed(pieces: [String]) async throws {
        let (_, result) = try await query(pieces)
        guard case .failure(.badAnswer) = result else {
            Issue.record("\(result)")
            return
        }
    }

    @Test("A page that is missing tells its status")
    func missing() async throws {
        let (_, result) = try await query(["HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"])
        guard case .failure(.status(_, 404)) = result else {
            Issue.record("\(result)")
            return
        }
    }

    @Test("A server that is not there can't be reached")
    func unreachable() async throws {
        let port = try FakeServer().port
        let error = try await BlockingThread.run { () -> HTTPQueryError? in
            do throws(HTTPQueryError) {
                _ = try HTTPQuery(server: "http://127.0.0.1:\(port)").get("peers")
                return nil
            } catch {
                return error
            }
        }
        guard case .unreachable = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("Certificates to trust are refused for an address without TLS")
    func notEncrypted() {
        #expect(throws: HTTPQueryError.notEncrypted(url: "http://server")) {
            try HTTPQuery(server: "http://server", authorities: "ca.pem")
        }
    }

    @Test("TLS with what speaks none fails as such")
    func plainServer() async throws {
        let server = try FakeServer()
        try server.answer(["HTTP/1.1 400 Bad Request\r\n\r\n"], isHasty: true)
        let error = try await BlockingThread.run { () -> HTTPQueryError? in
            do throws(HTTPQueryError) {
                _ = try HTTPQuery(server: "https://127.0.0.1:\(server.port)").get("peers")
                return nil
            } catch {
                return error
            }
        }
        guard case .insecure = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(
        "What is no address is refused",
        arguments: [
            "", "server", "server:8080", "http://", "http://:80", "http://a:b", "http://a:0", "http://a:70000",
            "http://a b", "http://a/\r\nX: y", "http://u@a", "http://a/?q", "ftp://a", "http://::1",
        ])
    func addresses(text: String) {
        #expect(throws: HTTPQueryError.notAnAddress(url: text)) { try HTTPAddress(text) }
    }

    @Test("Addresses of version 6 and default ports are understood")
    func versionSix() throws {
        let address = try HTTPAddress("http://[::1]:81/a/")
        #expect(address.host == "::1" && address.port == 81 && address.base == "/a" && address.authority == "[::1]:81")
        #expect(try HTTPAddress("HTTP://host").port == 80)
        let secure = try HTTPAddress("HTTPS://host")
        #expect(secure.isSecure && secure.port == 443 && secure.origin == "https://host:443")
    }

    @Test(
        "A body over the bound is refused, however it comes",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n01234567890",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
        ])
    func tooLarge(text: String) {
        var answer = HTTPAnswer(limit: 10)
        var rest = Array(text.utf8)[...]
        #expect(throws: HTTPAnswer.Malformed.tooLarge) {
            try answer.read { (buffer: inout [UInt8]) throws(SocketIO.Failure) -> Bool in
                guard let byte = rest.popFirst() else { return false }
                buffer.append(byte)
                return true
            }
        }
    }

    @Test("Headers without end are refused")
    func headers() {
        var answer = HTTPAnswer(limit: 10)
        var isFirst = true
        #expect(throws: HTTPAnswer.Malformed.malformed("its headers are too long")) {
            try answer.read { (buffer: inout [UInt8]) throws(SocketIO.Failure) -> Bool in
                buffer += Array((isFirst ? "HTTP/1.1 200 OK\r\n" : "X: yyyyyyyyyyyyyyyy\r\n").utf8)
                isFirst = false
                return true
            }
        }
    }
}
