import HTTPFace

/// Content as a healthy process has it.
func plainContent(word: String = "serving", isReady: Bool = true) -> HTTPFace.Content {
    HTTPFace.Content(
        state: { (word, isReady) },
        metrics: { "# TYPE cows gauge\ncows 3\n" },
        json: { name, _ in name == "sources" ? nil : JSONBody(Array("{\"name\":\"\(name)\"}".utf8)) })
}

/// A free port of the loopback; nil keeps a bound's default.
func loopback(
    port: UInt16 = 0, requestTimeout: UInt64? = nil, maximumConnections: Int? = nil, maximumUnsentBytes: Int? = nil
) -> HTTPFace.Configuration {
    var configuration = HTTPFace.Configuration(address: "127.0.0.1", port: port)
    if let requestTimeout { configuration.requestTimeout = requestTimeout }
    if let maximumConnections { configuration.maximumConnections = maximumConnections }
    if let maximumUnsentBytes { configuration.maximumUnsentBytes = maximumUnsentBytes }
    return configuration
}

/// A face on a free port of the loopback, for as long as `body` runs; `body` has a thread of its own.
func withFace<T: Sendable>(
    _ content: HTTPFace.Content = plainContent(),
    _ configuration: HTTPFace.Configuration = loopback(),
    body: @escaping @Sendable (_ port: UInt16) throws -> T
) async throws -> T {
    let face = try await HTTPFace.start(configuration, content: content)
    let result: Result<T, any Error>
    do { result = .success(try await OwnThread.run { try body(face.port) }) } catch { result = .failure(error) }
    await face.stop()
    return try result.get()
}

/// A request of one line and the headers that it needs.
func line(_ method: String, _ path: String, _ headers: String...) -> String {
    "\(method) \(path) HTTP/1.1\r\nHost: test\r\n\(headers.map { "\($0)\r\n" }.joined())\r\n"
}

func get(_ path: String, port: UInt16) throws -> RawClient.Reply {
    try RawClient(port: port).exchange(line("GET", path))
}
