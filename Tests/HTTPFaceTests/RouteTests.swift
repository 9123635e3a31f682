import Testing

@testable import HTTPFace

@Suite("Routes")
struct RouteTests {
    @Test("/healthz is 200 and /readyz 503 while the process isn't ready, both with its state")
    func unready() async throws {
        try await withFace(plainContent(word: "join\"ing\n", isReady: false)) { port throws in
            let health = try get("/healthz", port: port)
            let readiness = try get("/readyz", port: port)
            #expect(health.status == 200)
            #expect(readiness.status == 503)
            #expect(health.text == "{\"state\":\"join\\\"ing\\u000a\"}\n")
            #expect(readiness.body == health.body)
            #expect(health.headers["content-type"] == "application/json")
        }
    }

    @Test("/readyz is 200 once the process is ready")
    func ready() async throws {
        try await withFace { port throws in
            #expect(try get("/readyz", port: port).status == 200)
        }
    }

    @Test("/metrics has the type that Prometheus expects")
    func metrics() async throws {
        try await withFace { port throws in
            let reply = try get("/metrics", port: port)
            #expect(reply.status == 200)
            #expect(reply.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            #expect(reply.text == "# TYPE cows gauge\ncows 3\n")
        }
    }

    @Test("/api/v1 gives the content's JSON, and 404 with a JSON error for what there isn't")
    func json() async throws {
        try await withFace { port throws in
            let peers = try get("/api/v1/peers?limit=3", port: port)
            #expect(peers.status == 200)
            #expect(peers.text == "{\"name\":\"peers\"}")
            #expect(peers.headers["content-type"] == "application/json")
            #expect(try get("/api/v1/status", port: port).status == 200)
            for path in ["/api/v1/sources", "/api/v1/cows", "/api/v1/", "/api/v2/peers", "/cows\"", "//", "*"] {
                let reply = try get(path, port: port)
                #expect(reply.status == 404, "\(path)")
                #expect(reply.headers["content-type"] == "application/json")
                #expect(reply.text.hasPrefix("{\"error\":\""))
            }
            #expect(try get("/cows\"", port: port).text.contains("/cows\\\";"))
        }
    }

    @Test("/ lists every route")
    func index() async throws {
        try await withFace { port throws in
            let reply = try get("/", port: port)
            #expect(reply.headers["content-type"]?.hasPrefix("text/plain") == true)
            for path in ["/healthz", "/readyz", "/metrics", "/api/v1/peers", "/api/v1/sources", "/api/v1/status"] {
                #expect(reply.text.contains(path))
                #expect(Route(path: path) != nil)
            }
        }
    }

    @Test("Every answer forbids caching and guessing its type, and is dated")
    func headers() async throws {
        try await withFace { port throws in
            for path in ["/", "/healthz", "/metrics", "/api/v1/peers", "/nothing"] {
                let reply = try get(path, port: port)
                #expect(reply.headers["cache-control"] == "no-store")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
                #expect(reply.headers["date"]?.hasSuffix(" GMT") == true)
            }
        }
        #expect(HTTPDate.text(milliseconds: 784_111_777_000) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test("HEAD has the headers of GET and no body")
    func head() async throws {
        try await withFace { port throws in
            let client = try RawClient(port: port)
            try client.send(line("HEAD", "/api/v1/peers") + line("GET", "/healthz"))
            let head = try client.reply(toHead: true)
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == "16")
            #expect(try client.reply().text == "{\"state\":\"serving\"}\n")
        }
    }

    @Test("Other methods are refused with 405", arguments: ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "G!"])
    func methods(method: String) async throws {
        try await withFace { port throws in
            let reply = try RawClient(port: port).exchange(line(method, "/healthz"))
            #expect(reply.status == 405)
            #expect(reply.headers["allow"] == "GET, HEAD")
        }
    }
}
