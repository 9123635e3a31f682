import Testing

@testable import HTTPFace

@Suite("Files and tags")
struct PageFileTests {
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    private static func paged(tag: String? = nil) -> HTTPFace.Content {
        HTTPFace.Content(
            state: { ("ok", true) }, metrics: { "" },
            json: { name, query in JSONBody(Array("\(name) \(query["filter"] ?? "all")".utf8), tag: tag) },
            files: [
                "/": PageFile(.html, Array("<p>page".utf8)), "/page/a.js": PageFile(.script, Array("1".utf8)),
                "/page/a.css": PageFile(.styles, Array("p {}".utf8)),
                "/page/a.svg": PageFile(.image, Array("<svg/>".utf8)),
            ])
    }

    @Test("A page takes the place of the list of routes, and may load nothing but what this server has")
    func page() async throws {
        try await withFace(Self.paged()) { port throws in
            for (path, type) in [
                ("/", "text/html; charset=utf-8"), ("/page/a.js", "text/javascript; charset=utf-8"),
                ("/page/a.css", "text/css; charset=utf-8"), ("/page/a.svg", "image/svg+xml"),
            ] {
                let reply = try get(path, port: port)
                #expect(reply.status == 200)
                #expect(reply.headers["content-type"] == type)
                #expect(reply.headers["content-security-policy"] == Self.policy)
                #expect(reply.headers["referrer-policy"] == "no-referrer")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
                #expect(reply.headers["cache-control"] == "no-cache")
            }
            #expect(try get("/?x=1", port: port).text == "<p>page")
            #expect(try get("/page/b.js", port: port).status == 404)
            #expect(try get("/healthz", port: port).headers["content-security-policy"] == nil)
            #expect(try RawClient(port: port).exchange(line("POST", "/")).status == 405)
        }
    }

    @Test("What a client has is not sent again, whatever the form of its tags")
    func revalidation() async throws {
        try await withFace(Self.paged(tag: "a-1")) { port throws in
            let tag = try #require(try get("/", port: port).headers["etag"])
            for header in [tag, "W/\(tag)", "\"x\", \(tag)", "*", "\"x\",\t\(tag) "] {
                let reply = try RawClient(port: port).exchange(line("GET", "/", "If-None-Match: \(header)"))
                #expect(reply.status == 304, "\(header)")
                #expect(reply.headers["etag"] == tag)
                #expect(reply.headers["content-length"] == nil && reply.body.isEmpty)
            }
            for header in ["\"x\"", tag + "x", "", String(tag.dropFirst())] {
                #expect(try RawClient(port: port).exchange(line("GET", "/", "If-None-Match: \(header)")).status == 200)
            }
            let client = try RawClient(port: port)
            try client.send(line("GET", "/api/v1/peers", "If-None-Match: \"x\"", "If-None-Match: \"a-1\""))
            #expect(try client.reply().status == 304)
            #expect(try client.exchange(line("GET", "/api/v1/peers")).headers["etag"] == "\"a-1\"")
        }
    }

    @Test("An answer without a tag is never confirmed, and an error neither")
    func untagged() async throws {
        try await withFace(Self.paged()) { port throws in
            let reply = try RawClient(port: port).exchange(line("GET", "/api/v1/peers", "If-None-Match: *"))
            #expect(reply.status == 200)
            #expect(reply.headers["cache-control"] == "no-store" && reply.headers["etag"] == nil)
            #expect(try RawClient(port: port).exchange(line("GET", "/nothing", "If-None-Match: *")).status == 404)
        }
    }

    @Test("Other bytes have another tag")
    func tags() {
        let tags = ["a", "b", ""].map { PageFile(.script, Array($0.utf8)).response.tag }
        #expect(Set(tags).count == 3 && !tags.contains(nil))
    }

    @Test("A query's parameters reach the content")
    func query() async throws {
        try await withFace(Self.paged()) { port throws in
            #expect(try get("/api/v1/overview?filter=rack+a%2fb%26&x", port: port).text == "overview rack a/b&")
            #expect(try get("http://h/api/v1/overview?filter=1#f", port: port).text == "overview 1")
        }
    }

    @Test(
        "A query that nobody would write is read all the same",
        arguments: [
            ("", nil), ("a", ""), ("a=", ""), ("a=b=c", "b=c"), ("a=1&a=2", "2"), ("a=%", "%"), ("a=%4", "%4"),
            ("a=%zz", "%zz"), ("%61=%e2%82%ac", "\u{20AC}"), ("a=%ff", "\u{FFFD}"), ("&&a=1&", "1"), ("=x", nil),
        ])
    func oddQuery(text: String, value: String?) {
        #expect(RequestQuery(text)["a"] == value)
    }

    @Test("Numbers of a query stay within their bounds")
    func numbers() {
        let query = RequestQuery("a=7&b=-1&c=99999999999999999999&d=x&e=500")
        #expect(
            ["a", "b", "c", "d", "e", "f"].map { query.number($0, within: 0...200, normal: 25) } == [
                7, 0, 25, 25, 200, 25,
            ])
        let many = (0..<100).map { "p\($0)=1" }.joined(separator: "&")
        #expect(RequestQuery(many)["p99"] == nil && RequestQuery(many)["p0"] == "1")
    }
}
