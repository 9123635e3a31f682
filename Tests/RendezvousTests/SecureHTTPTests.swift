import EventThread
import Glibc
import HTTPFace
import LocalAPI
import TLS
import Testing

@testable import Rendezvous

/// A certificate for localhost with its key, made with the openssl program; gone at the end.
private final class CertificateFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/mx-http-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try renew()
    }

    deinit { system("rm -rf \(path)") }

    /// Replaces both files.
    func renew() throws {
        let command =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 9 -subj /CN=localhost "
            + "-addext subjectAltName=DNS:localhost -keyout \(path)/key.pem -out \(path)/cert.pem > \(path)/log 2>&1"
        try #require(system(command) == 0)
    }

    var files: RendezvousSettings.CertificateFiles {
        RendezvousSettings.CertificateFiles(certificate: "\(path)/cert.pem", key: "\(path)/key.pem")
    }
}

/// A blocking socket to a port of this host; each call gives up after a while.
private final class Client {
    let descriptor: Int32

    init(_ port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) -> Int { Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// What comes until the server's end, in plain.
    func rest() -> String {
        var (all, piece) = ([UInt8](), [UInt8](repeating: 0, count: 4_096))
        while true {
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { return String(decoding: all, as: UTF8.self) }
            all += piece[..<count]
        }
    }

    /// A whole answer over TLS.
    func get(_ path: String, authorities: String, rounds: Int = 1) throws -> String {
        let stream = try TLSStream(
            try TLSContext.client(authorities: authorities), descriptor: descriptor, host: "localhost")
        let outcome = stream.handshake()
        if case .failed(let reason) = outcome { throw TLSError.library(reason) }
        var text = ""
        for round in 1...rounds {
            let ending = round == rounds ? "Connection: close\r\n" : ""
            _ = stream.send(Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(ending)\r\n".utf8)[...])
            guard round < rounds else { break }
            guard case .bytes(let bytes) = stream.receive(16_384) else { return text }
            text += String(decoding: bytes, as: UTF8.self)
        }
        while case .bytes(let bytes) = stream.receive(16_384) { text += String(decoding: bytes, as: UTF8.self) }
        return text
    }
}

@Suite("HTTP over TLS", .serialized)
struct SecureHTTPTests {
    private func withFace(
        largeAnswer: Int = 0, requestTimeout: UInt64 = 2_000_000_000,
        _ body: @escaping @Sendable (UInt16, CertificateFolder, HTTPCertificate) throws -> Void
    ) async throws {
        let folder = try CertificateFolder()
        let certificate = try HTTPCertificate(folder.files)
        var configuration = HTTPFace.Configuration(address: "127.0.0.1", port: 0)
        configuration.channel = { certificate.channel(for: $0) }
        configuration.requestTimeout = requestTimeout
        configuration.maximumConnections = 64
        let content = HTTPFace.Content(
            state: { ("ok", true) }, metrics: { String(repeating: "m", count: largeAnswer) }, json: { _, _ in nil })
        let face = try await HTTPFace.start(configuration, content: content)
        let port = face.port
        let result = await Task {
            try await BlockingThread.run { try body(port, folder, certificate) }
        }.result
        await face.stop()
        try result.get()
    }

    @Test("An answer comes, also several over one connection and one of megabytes")
    func answers() async throws {
        try await withFace(largeAnswer: 5_000_000) { port, folder, _ throws in
            let authorities = folder.files.certificate
            #expect(try Client(port).get("/readyz", authorities: authorities).contains("{\"state\":\"ok\"}"))
            let three = try Client(port).get("/readyz", authorities: authorities, rounds: 3)
            #expect(three.ranges(of: "200 OK").count == 3)
            #expect(try Client(port).get("/metrics", authorities: authorities).utf8.count > 5_000_000)
        }
    }

    @Test("Who speaks plainly is told to use https, and gets nothing else")
    func plainClient() async throws {
        try await withFace { port, _, _ throws in
            let client = try Client(port)
            _ = client.send(Array("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            let answer = client.rest()
            #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.contains("https://"))
        }
    }

    @Test("Torn and random handshakes, and those that never end, close their connections; others are served meanwhile")
    func hostileHandshakes() async throws {
        try await withFace(requestTimeout: 300_000_000) { port, folder, _ throws in
            var state: UInt64 = 7
            func random(_ bound: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % bound
            }
            // More than the face takes at once, silent after the first byte.
            let silent = try (0..<100).map { _ in try Client(port) }
            for client in silent { _ = client.send([0x16]) }
            for _ in 0..<100 {
                let client = try Client(port)
                let head: [UInt8] = [0x16, 3, UInt8(random(5)), UInt8(random(256)), UInt8(random(256))]
                _ = client.send(head + (0..<random(2_000)).map { _ in UInt8(random(256)) })
                shutdown(client.descriptor, Int32(SHUT_WR))
                _ = client.rest()
            }
            let authorities = folder.files.certificate
            #expect(try Client(port).get("/healthz", authorities: authorities).contains("200 OK"))
            // Each of the silent ones has been given up.
            for client in silent { #expect(client.rest().utf8.count < 100) }
        }
    }

    @Test("A renewed certificate is used for new connections, and one that can't be used leaves the old one")
    func renewal() async throws {
        try await withFace { port, folder, certificate throws in
            let old = "\(folder.path)/old.pem"
            try #require(system("cp \(folder.path)/cert.pem \(old)") == 0)
            try folder.renew()
            #expect(try Client(port).get("/readyz", authorities: old).contains("200 OK"))
            certificate.reload()
            #expect(try Client(port).get("/readyz", authorities: folder.files.certificate).contains("200 OK"))
            #expect(throws: (any Error).self) { try Client(port).get("/readyz", authorities: old) }
            try #require(system("echo nonsense > \(folder.path)/key.pem") == 0)
            certificate.reload()
            #expect(try Client(port).get("/readyz", authorities: folder.files.certificate).contains("200 OK"))
        }
    }

    @Test("The command line's questions come through, for who trusts the certificate and asks by its name")
    func questions() async throws {
        try await withFace { port, folder, _ throws in
            func failure(_ host: String, _ authorities: String?) -> HTTPQueryError? {
                do throws(HTTPQueryError) {
                    _ = try HTTPQuery(server: "https://\(host):\(port)", authorities: authorities).get("peers")
                    return nil
                } catch {
                    return error
                }
            }
            // The face here has no such view, and says so.
            guard case .status(_, 404) = failure("localhost", folder.files.certificate) else {
                Issue.record("\(String(describing: failure("localhost", folder.files.certificate)))")
                return
            }
            for (host, authorities) in [
                ("localhost", nil), ("127.0.0.1", folder.files.certificate), ("localhost", "\(folder.path)/absent.pem"),
            ] {
                guard case .insecure(_, let reason) = failure(host, authorities) else {
                    Issue.record("\(host) \(authorities ?? "none")")
                    continue
                }
                #expect(reason.contains("certificate"))
            }
        }
    }

    @Test("TLS below 1.2 is refused")
    func oldVersions() async throws {
        try await withFace { port, folder, _ throws in
            let command = "openssl s_client -connect 127.0.0.1:\(port) -CAfile \(folder.files.certificate)"
            func status(_ version: String) -> Int32 { system("\(command) \(version) < /dev/null > /dev/null 2>&1") }
            #expect(status("-tls1_2") == 0 && status("-tls1_3") == 0)
            #expect(status("-tls1_1 -cipher DEFAULT@SECLEVEL=0") != 0)
        }
    }
}
