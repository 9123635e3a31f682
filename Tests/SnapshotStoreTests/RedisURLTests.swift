import Testing

@testable import SnapshotStore

struct RedisURLTests {
    @Test(
        "A URL is read into host, port, account and database",
        arguments: [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://localhost:7000/3", "redis://localhost:7000/3"),
            ("redis://localhost:7000/?db=3", "redis://localhost:7000/3"),
            ("REDIS://[fd00::1]:7000", "redis://[fd00::1]:7000/0"),
            ("redis://ann:pw@cache.example/1", "redis://ann@cache.example:6379/1"),
            ("redis://:p%40w@cache", "redis://cache:6379/0"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock?db=0"),
            ("unix:///run/my%20redis.sock?db=2", "unix:///run/my redis.sock?db=2"),
            ("unix://ann:pw@/run/redis.sock", "unix://ann@/run/redis.sock?db=0"),
        ])
    func reads(text: String, description: String) throws {
        #expect(try RedisURL(parsing: text).description == description)
    }

    @Test("The password is decoded, and shown by no way of printing")
    func hidesPassword() throws {
        let url = try RedisURL(parsing: "redis://ann:hun%2Fter2@host")
        #expect(url.password?.secret == "hun/ter2")
        #expect(url.user == "ann")
        var dumped = ""
        dump(url, to: &dumped)
        for text in ["\(url)", String(reflecting: url), dumped, "\(url.password as Any)", String(describing: [url])] {
            #expect(!text.contains("hun"))
        }
    }

    @Test("rediss is refused with advice to run a TLS proxy")
    func refusesTLS() {
        #expect(throws: RedisURLError.encrypted) { try RedisURL(parsing: "rediss://host:6380") }
        #expect(RedisURLError.encrypted.description.contains("stunnel"))
    }

    @Test(
        "A URL that can't be used is refused, without its text in the error",
        arguments: [
            "secret", "http://secret", "redis:secret", "redis://", "redis://secret@host", "redis://secret:@host",
            "redis://a:secret@host:port", "redis://a:secret@host:0", "redis://a:secret@host:65536",
            "redis://a:secret@host/x", "redis://a:secret@host/-1", "redis://a:secret@host/1?db=1",
            "redis://a:secret@host?tls=1", "redis://a:secret%zz@host", "redis://a:secret%00@host",
            "redis://a:secret#@host",
            "redis://a:secret@[::1", "redis://a:secret@[::1]x", "unix://secret/redis.sock", "unix://", "unix:///",
            "redis://a:secret%ff@host",
        ])
    func refuses(text: String) {
        #expect { try RedisURL(parsing: text) } throws: { error in
            error is RedisURLError && !"\(error)".contains("secret")
        }
    }

    @Test("A socket path over 107 bytes is refused")
    func refusesLongPath() throws {
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(try RedisURL(parsing: "unix://" + longest).endpoint == .unixSocket(path: longest))
        #expect(throws: RedisURLError.socketPathTooLong(bytes: 108)) { try RedisURL(parsing: "unix://\(longest)x") }
    }
}
