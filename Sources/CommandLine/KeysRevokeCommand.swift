package import ArgumentParser
import Configuration
import Digest
import LocalAPI
import Records
import Trust

/// `keys revoke`: something is not to be believed any more.
package struct KeysRevokeCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke a token, a peer or an introduction.",
        discussion: """
            A revoked token ends its peers and what they introduced; a revoked peer ends with what it introduced, and \
            comes back with another key when it is restarted with a token that holds. Revoke the token of whom you do \
            not trust, and the peer that is only broken.

            IDs are given in full, 64 digits: of peers and their tokens as `modelexpress peers --json` shows them, of \
            introductions as `modelexpress sources --json`, of tokens and revocation keys in files as \
            `modelexpress keys inspect`.

            Signs with the folder's revocation key, else with its root key; only the root can revoke a revocation key.

            Examples:
              modelexpress keys revoke --token ./leaked-token --reason "in a public image"
              modelexpress keys revoke --peer 4f1c... --reason "sends wrong bytes"
            """)

    @OptionGroup package var options: KeysOptions

    @Option(help: ArgumentHelp("A token's file, or its ID.", valueName: "file"))
    package var token: String?

    @Option(help: ArgumentHelp("A peer's ID.", valueName: "id"))
    package var peer: String?

    @Option(help: ArgumentHelp("An introduction's ID.", valueName: "id"))
    package var introduction: String?

    @Option(help: ArgumentHelp("A revocation key's ID. What it signed ends with it.", valueName: "id"))
    package var revocationKey: String?

    @Option(help: ArgumentHelp("Why, for those who see it in logs and lists.", valueName: "text"))
    package var reason = ""

    @Option(help: ArgumentHelp("From when on it holds, counted from now.", valueName: "time"))
    package var after = DurationArgument(milliseconds: 0)

    @Option(
        help: ArgumentHelp(
            "How long it is kept (default: until a token in a file and what it introduced has ended; 31d for a peer; "
                + "else as long as there can be such a thing).", valueName: "time"))
    package var keep: DurationArgument?

    package init() {}

    package func validate() throws {
        let subjects = [token, peer, introduction, revocationKey].compactMap(\.self)
        guard subjects.count == 1 else {
            throw ValidationError("name one of --token, --peer, --introduction and --revocation-key")
        }
        let (flag, text, place) =
            peer.map { ("--peer", $0, "peers --json") }
            ?? introduction.map { ("--introduction", $0, "sources --json") }
            ?? revocationKey.map { ("--revocation-key", $0, "keys inspect") } ?? ("--token", "", "")
        guard flag == "--token" || Digest256(hexadecimal: text) != nil else {
            throw ValidationError(
                "\(flag) takes a full ID of 64 hexadecimal digits; `modelexpress \(place)` shows it")
        }
        // A secret on a command line is seen by others, and must not be repeated in a message.
        guard token.map(TokenFile.isToken) != true else {
            throw ValidationError("--token takes a token's file or ID, not the token itself")
        }
        guard reason.utf8.count <= WireLimits.revocationReason else {
            throw ValidationError("--reason takes at most \(WireLimits.revocationReason) bytes")
        }
        guard after.milliseconds <= Self.longestDelay else { throw ValidationError("--after must be at most 30d") }
        if let keep, keep.milliseconds <= after.milliseconds {
            throw ValidationError("--keep ends before --after")
        }
    }

    package func run() throws { StandardText.output.write(try perform(now: WallTime.now())) }

    private static let longestDelay: Int64 = 30 * 86_400_000

    /// Adds the revocation to the list; what to tell the user.
    ///
    /// - Parameter now: milliseconds since 1970.
    func perform(now: Int64) throws -> String {
        let revoking = Revoking(options: options, now: now)
        let issuer = try revoking.issuer(needsRoot: revocationKey != nil)
        let (subject, end) = try subject(issuer.anchor, now)
        let longest = now + subject.longestRevocation
        let until = min(keep.map { now + $0.milliseconds } ?? end ?? longest, longest)
        guard until > now + after.milliseconds else {
            return options.json ? "[]\n" : "The \(subject.word) has ended by then; there is nothing to revoke.\n"
        }
        let notice = issuer.revoke(
            subject, notBefore: now + after.milliseconds, until: until, issuedAt: now, reason: reason)
        try revoking.add(notice)
        guard !options.json else { return try LocalJSON.text([KeyView(notice, file: revoking.file.path)]) + "\n" }
        return "Revoked.\n" + RevocationReport.text(notice, now: now) + advice(until)
            + RevocationReport.next(revoking.file)
    }

    private func advice(_ until: Int64) -> String {
        guard peer != nil else { return "" }
        return
            "A process with this key that still runs after \(WallTime.text(until)) is believed again if its token holds: "
            + "end it, or revoke the token too.\n"
    }

    /// What is revoked, and when it has ended by itself; nil when that isn't known.
    private func subject(_ anchor: TrustAnchor, _ now: Int64) throws -> (RevocationSubject, end: Int64?) {
        if let id = peer.flatMap({ Digest256(hexadecimal: $0) }) {
            return (.peer(PeerID(id)), now + ValidityLimits.certificate + ValidityLimits.introduction)
        }
        if let id = introduction.flatMap({ Digest256(hexadecimal: $0) }) {
            return (.introduction(IntroductionID(id)), nil)
        }
        if let id = revocationKey.flatMap({ Digest256(hexadecimal: $0) }) { return (.revocationKey(id), nil) }
        let text = token ?? ""
        if let id = Digest256(hexadecimal: text) { return (.token(TokenID(id)), nil) }
        do {
            let holder = try TokenFile.load(text)
            guard holder.anchor == anchor else { throw ConfigurationError.otherCluster(path: text) }
            return (.token(holder.grant.value.id), holder.grant.value.endOfIntroductions)
        } catch ConfigurationError.noToken {
            throw ExitError(
                code: ExitCodes.notFound,
                message:
                    "there is no file \(text); --token takes a token's file or its full ID of 64 hexadecimal digits")
        } catch {
            throw ExitError(error)
        }
    }
}

extension TokenGrant {
    /// When the last thing that its peers may have introduced has ended, milliseconds since 1970.
    var endOfIntroductions: Int64 {
        let (end, overflow) = notAfter.addingReportingOverflow(ValidityLimits.introduction)
        return overflow ? .max : end
    }
}
