import Records

/// What a token allows, for people; never a secret.
enum TokenReport {
    /// - Parameter now: milliseconds since 1970.
    static func text(_ grant: TokenGrant, now: Int64) -> String {
        let lines = [
            ("cluster", grant.cluster.description), ("token", grant.id.description),
            ("roles", grant.roles.words.joined(separator: ", ")), ("models", models(grant.modelPrefixes)),
            ("peers", grant.peers == 0 ? "no limit" : "at most \(grant.peers) in the view of each peer"),
            ("life", "certificates hold \(duration(grant.certificateLife))"),
            ("from", WallTime.text(grant.notBefore)), ("ends", "\(WallTime.text(grant.notAfter)) (\(end(grant, now)))"),
        ]
        return lines.map { name, value in
            name + String(repeating: " ", count: 9 - name.count) + TerminalText.escaped(value) + "\n"
        }.joined()
    }

    /// Model prefixes in words.
    static func models(_ prefixes: [String]) -> String {
        if prefixes.contains("") { return "all" }
        return "those whose names begin with " + prefixes.map { "\"\($0)\"" }.joined(separator: " or ")
    }

    private static func end(_ grant: TokenGrant, _ now: Int64) -> String {
        if now >= grant.notAfter { return "it has ended: make a new one with `modelexpress keys token`" }
        return "in \(duration(grant.notAfter - now))"
    }

    private static func duration(_ milliseconds: Int64) -> String {
        QuantityText.duration(seconds: Double(milliseconds) / 1000)
    }
}
