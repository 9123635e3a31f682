import Configuration
import Digest
import LocalAPI
import Records
import Trust

/// Revocations and the keys that sign them, for people; never a secret.
enum RevocationReport {
    /// What every command that revokes ends with.
    static func next(_ file: RevocationFile) -> String {
        """
        Next: a server or sidecar that runs with the folder of \(file.path) reads it within a minute and tells the mesh. For one \
        with another folder, copy the file there.

        """
    }

    /// - Parameter now: milliseconds since 1970.
    static func text(_ grant: RevocationGrant, now: Int64) -> String {
        lines([
            ("cluster", grant.cluster.description), ("key", grant.revocationKey.description),
            ("from", WallTime.text(grant.notBefore)),
            ("ends", "\(WallTime.text(grant.notAfter))\(grant.notAfter <= now ? " (it has ended)" : "")"),
        ])
    }

    static func text(_ notice: RevocationNotice, now: Int64) -> String {
        let revocation = notice.revocation.value
        return lines([
            (revocation.subject.word, revocation.subject.digest.description),
            ("reason", revocation.reason.isEmpty ? "-" : revocation.reason),
            ("holds", holds(revocation, now)), ("kept", "until \(WallTime.text(revocation.until))"),
            ("signed by", notice.grant.map { "revocation key \($0.value.revocationKey)" } ?? "the root key"),
        ])
    }

    static func text(_ content: RevocationFile.Content, now: Int64) -> String {
        if content.notices.isEmpty, content.damaged.isEmpty { return "nothing is revoked\n" }
        let damaged = content.damaged.map { "\(TerminalText.escaped($0.description))\n" }
        return (content.notices.map { text($0, now: now) } + damaged).joined(separator: "\n")
    }

    private static func holds(_ revocation: Revocation, _ now: Int64) -> String {
        if revocation.until <= now { return "no longer: it has ended" }
        if revocation.notBefore <= now { return "since \(WallTime.text(revocation.notBefore))" }
        let wait = QuantityText.duration(seconds: Double(revocation.notBefore - now) / 1000)
        return "from \(WallTime.text(revocation.notBefore)) (in \(wait))"
    }

    private static func lines(_ lines: [(String, String)]) -> String {
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { name, value in
            name + String(repeating: " ", count: width + 2 - name.count) + TerminalText.escaped(value) + "\n"
        }.joined()
    }
}
