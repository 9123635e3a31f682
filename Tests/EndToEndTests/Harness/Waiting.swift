/// Something that a test waited for did not come, or a tool of the test failed.
struct Unmet: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Between two looks at what a test waits for.
private let lookInterval = Duration.milliseconds(10)

/// Looks again and again until there is something; without it after the bound, the test fails.
func eventually<Value>(
    _ what: String, within bound: Duration = .seconds(20), _ look: () async throws -> Value?
) async throws -> Value {
    let clock = ContinuousClock()
    let deadline = clock.now + bound
    while true {
        if let value = try await look() { return value }
        guard clock.now < deadline else { throw Unmet("within \(bound) there was not: \(what)") }
        try await Task.sleep(for: lookInterval)
    }
}

/// As above, for a condition.
func eventually(_ what: String, within bound: Duration = .seconds(20), _ holds: () async throws -> Bool) async throws {
    try await eventually(what, within: bound) { () async throws -> Void? in try await holds() ? () : nil }
}
