import Glibc
import TLS
import Testing

/// Keys and certificates, made with the openssl program, in a folder that is gone at the end.
final class Certificates: Sendable {
    let folder: String

    init() throws {
        var template = Array("/tmp/mx-tls-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for name in ["own", "other"] {
            try run(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost "
                    + "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout \(folder)/\(name).key -out \(folder)/\(name).pem"
            )
        }
        try run("ec -aes256 -passout pass:secret -in \(folder)/own.key -out \(folder)/locked.key")
    }

    deinit { system("rm -rf \(folder)") }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    func write(_ text: String, to name: String) throws {
        let file = try #require(fopen(path(name), "w"))
        fputs(text, file)
        fclose(file)
    }

    private func run(_ arguments: String) throws {
        try #require(system("openssl \(arguments) > \(folder)/log 2>&1") == 0, "\(arguments)")
    }
}

@Suite("Certificates and keys in files")
struct TLSContextTests {
    @Test("A certificate with its key is taken, and tells how long it holds")
    func taken() throws {
        let files = try Certificates()
        let context = try TLSContext.server(certificate: files.path("own.pem"), key: files.path("own.key"))
        let left = try #require(context.secondsLeft)
        #expect((29 * 86_400...30 * 86_400).contains(left))
    }

    @Test("What can't be used is named with what to do, and nobody is asked for a passphrase")
    func refused() throws {
        let files = try Certificates()
        try files.write("nonsense", to: "nonsense")
        let (own, key, other) = (files.path("own.pem"), files.path("own.key"), files.path("other.key"))
        let nonsense = files.path("nonsense")
        #expect(throws: TLSError.mismatch(certificate: own, key: other)) {
            try TLSContext.server(certificate: own, key: other)
        }
        #expect(throws: TLSError.lockedKey(path: files.path("locked.key"))) {
            try TLSContext.server(certificate: own, key: files.path("locked.key"))
        }
        #expect(throws: TLSError.unreadable(path: "/nowhere.pem", reason: "No such file or directory")) {
            try TLSContext.server(certificate: "/nowhere.pem", key: key)
        }
        for (certificate, key, names) in [(nonsense, key, nonsense), (key, key, key), (own, nonsense, nonsense)] {
            let error = #expect(throws: TLSError.self) { try TLSContext.server(certificate: certificate, key: key) }
            #expect(error?.description.contains(names) == true && error?.description.contains("PEM") == true)
        }
        #expect(throws: TLSError.self) { try TLSContext.client(authorities: nonsense) }
    }
}

@Suite("Two ends of a TLS stream")
struct TLSStreamTests {
    /// Two non-blocking ends of a socket pair.
    private func pair(
        _ files: Certificates, authorities: String, host: String
    ) throws -> (server: TLSStream, client: TLSStream, ends: [Int32]) {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
        let server = try TLSStream(
            try TLSContext.server(certificate: files.path("own.pem"), key: files.path("own.key")), descriptor: ends[0])
        let client = try TLSStream(
            try TLSContext.client(authorities: files.path(authorities)), descriptor: ends[1], host: host)
        return (server, client, ends)
    }

    private func shakeHands(_ server: TLSStream, _ client: TLSStream) -> (TLSStream.Handshake, TLSStream.Handshake) {
        var (ours, theirs) = (TLSStream.Handshake.wantsRead, TLSStream.Handshake.wantsRead)
        for _ in 0..<10 {
            theirs = client.handshake()
            ours = server.handshake()
        }
        return (ours, theirs)
    }

    @Test("Bytes pass both ways, and the end is told", arguments: ["localhost", "127.0.0.1"])
    func conversation(host: String) throws {
        let files = try Certificates()
        let (server, client, ends) = try pair(files, authorities: "own.pem", host: host)
        defer { for end in ends { close(end) } }
        #expect(shakeHands(server, client) == (.done, .done))
        #expect(client.receive(100) == .nothing)
        let large = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        var (sent, received): (Int, [UInt8]) = (0, [])
        while received.count < large.count {
            if case .sent(let count) = client.send(large[sent...]) { sent += count }
            guard case .bytes(let bytes) = server.receive(16_384) else { continue }
            received += bytes
        }
        #expect(received == large)
        server.finish()
        #expect(client.receive(100) == .ended)
    }

    @Test("A client trusts neither another authority's certificate nor one for another name")
    func distrust() throws {
        let files = try Certificates()
        for (authorities, host) in [("other.pem", "localhost"), ("own.pem", "elsewhere"), ("own.pem", "127.0.0.2")] {
            let (server, client, ends) = try pair(files, authorities: authorities, host: host)
            defer { for end in ends { close(end) } }
            let (_, theirs) = shakeHands(server, client)
            guard case .failed(let reason) = theirs else {
                Issue.record("\(host) was trusted")
                continue
            }
            #expect(reason.contains("not trusted"), "\(reason)")
        }
    }
}
