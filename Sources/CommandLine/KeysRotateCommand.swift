package import ArgumentParser
import Configuration
import Digest
import LocalAPI
import Records
import Trust

/// `keys rotate`: a new key in the place of an old one.
package struct KeysRotateCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Replace a token, or the revocation key, by a new one.",
        discussion: """
            A token is replaced by one with the same limits, a new key and a new life. Programs read their token's file \
            again each minute, so the old token stays good for a while; with --revoke-old it is revoked after that. \
            The revocation is told at once, so that what peers introduced with the old token is introduced again \
            before it ends.

            With --revocation-key the folder's revocation key is replaced; --revoke-old then signs again what the old \
            key revoked and revokes the old key. For a key that was stolen, use --after 0s.

            Needs the root key.

            Examples:
              modelexpress keys rotate ./token --revoke-old
              modelexpress keys rotate --revocation-key --revoke-old --after 0s
            """)

    @OptionGroup package var options: KeysOptions

    @Argument(help: ArgumentHelp("The token's file (default: the state folder's token).", valueName: "file"))
    package var file: String?

    @Flag(help: "Replace the folder's revocation key instead of a token.")
    package var revocationKey = false

    @Flag(help: "Revoke the old one after --after.")
    package var revokeOld = false

    @Option(help: ArgumentHelp("How long the old one stays good with --revoke-old.", valueName: "time"))
    package var after = DurationArgument(milliseconds: 600_000)

    @Option(
        help: ArgumentHelp(
            "The new one's life (default: a token's as before, a revocation key's 3650d).", valueName: "time"))
    package var expires: DurationArgument?

    @Option(help: ArgumentHelp("Why, for those who see it in logs and lists.", valueName: "text"))
    package var reason = "rotated"

    package init() {}

    package func validate() throws {
        if revocationKey, file != nil {
            throw ValidationError("a token's file and --revocation-key exclude each other")
        }
        if let expires, !(1000...ValidityLimits.token).contains(expires.milliseconds) {
            throw ValidationError("--expires must be from 1s to 3650d")
        }
        guard after.milliseconds <= Self.longestOverlap else { throw ValidationError("--after must be at most 30d") }
        guard reason.utf8.count <= WireLimits.revocationReason else {
            throw ValidationError("--reason takes at most \(WireLimits.revocationReason) bytes")
        }
    }

    package func run() throws { StandardText.output.write(try perform(now: WallTime.now())) }

    private static let longestOverlap: Int64 = 30 * 86_400_000

    /// Replaces; what to tell the user.
    ///
    /// - Parameter now: milliseconds since 1970.
    func perform(now: Int64) throws -> String {
        do {
            return try revocationKey ? rotateRevocationKey(now) : rotateToken(now)
        } catch {
            throw ExitError(error)
        }
    }

    // MARK: A token

    private func rotateToken(_ now: Int64) throws -> String {
        let root = try options.loadRoot()
        let path = file ?? options.directory.token
        let old = try TokenFile.load(path)
        guard old.anchor == root.anchor else { throw ConfigurationError.otherCluster(path: path) }
        let limits = old.grant.value
        let (life, overflow) = limits.notAfter.subtractingReportingOverflow(limits.notBefore)
        let newLife = expires?.milliseconds ?? (overflow ? ValidityLimits.token : min(life, ValidityLimits.token))
        let revoking = Revoking(options: options, now: now)
        let issuer = revokeOld ? try revoking.issuer() : nil
        let text = TokenFile.make(
            root: root, roles: limits.roles, modelPrefixes: limits.modelPrefixes,
            certificateLife: limits.certificateLife, peers: limits.peers, notBefore: now, notAfter: now + newLife)
        try SecretFile.write("\(text)\n", to: path)
        let new = try TokenFile.decode(text, path: path).grant.value
        let notice = try issuer.flatMap { try revoke(limits, by: $0, revoking) }
        guard !options.json else {
            let views = [KeyView(new, file: path)] + (notice.map { [KeyView($0, file: revoking.file.path)] } ?? [])
            return try LocalJSON.text(views) + "\n"
        }
        return """
            Replaced the token in \(path) (secret: who has it can join).
              old      \(limits.id)
              new      \(new.id)
              ends     \(WallTime.text(new.notAfter))
            \(fate(of: limits, notice, now))Next: give the file to all who join with the old one; running programs read theirs again each minute.

            """ + (notice == nil ? "" : RevocationReport.next(revoking.file))
    }

    private func revoke(
        _ old: TokenGrant, by issuer: RevocationIssuer, _ revoking: Revoking
    ) throws -> RevocationNotice? {
        let notBefore = revoking.now + after.milliseconds
        let until = min(
            old.endOfIntroductions, revoking.now + RevocationSubject.token(old.id).longestRevocation)
        guard notBefore < until else { return nil }
        let notice = issuer.revoke(
            .token(old.id), notBefore: notBefore, until: until, issuedAt: revoking.now, reason: reason)
        try revoking.add(notice)
        return notice
    }

    private func fate(of old: TokenGrant, _ notice: RevocationNotice?, _ now: Int64) -> String {
        if let notice {
            return "The old token is revoked from \(WallTime.text(notice.revocation.value.notBefore)) on.\n"
        }
        guard old.notAfter > now else { return "The old token has ended.\n" }
        return "The old token holds until \(WallTime.text(old.notAfter)); `--revoke-old` would end it sooner.\n"
    }

    // MARK: The revocation key

    private func rotateRevocationKey(_ now: Int64) throws -> String {
        let root = try options.loadRoot()
        let directory = options.directory
        let old = revokeOld ? try oldKey(directory, root.anchor) : nil
        let (text, issuer) = RevocationKeyFile.make(
            root: root, notBefore: now, notAfter: now + (expires?.milliseconds ?? ValidityLimits.revocationKey))
        try SecretFile.write("\(text)\n", to: directory.revocationKey)
        let revoking = Revoking(options: options, now: now)
        if let old { try revoke(old, root, replacedBy: issuer, revoking) }
        guard !options.json else { return try LocalJSON.text([KeyView(issuer, file: directory.revocationKey)]) + "\n" }
        let fate =
            old.map {
                "The old key \($0) is revoked from \(WallTime.text(now + after.milliseconds)) on; what it had revoked "
                    + "according to \(revoking.file.path) is signed again.\n"
            } ?? "An old key, if there was one, still holds; `--revoke-old` revokes it.\n"
        return """
            Made a revocation key in \(directory.revocationKey) (secret: whoever has it can revoke tokens and peers).
              key      \(issuer.grant.map { "\($0.value.revocationKey)" } ?? "")
            \(fate)
            """ + (old == nil ? "" : RevocationReport.next(revoking.file))
    }

    private func oldKey(_ directory: StateDirectory, _ anchor: TrustAnchor) throws -> Digest256 {
        do throws(ConfigurationError) {
            let issuer = try RevocationKeyFile.load(directory.revocationKey)
            guard issuer.anchor == anchor, let grant = issuer.grant else {
                throw .otherCluster(path: directory.revocationKey)
            }
            return grant.value.revocationKey
        } catch .unreadable(let path, let reason) {
            throw ExitError(
                code: ExitCodes.notFound,
                message: "can't read the old key \(path): \(reason); revoke a key that is lost by its ID, with "
                    + "`modelexpress keys revoke --revocation-key`")
        }
    }

    /// One change of the list: nobody reads the old key's end without what takes the place of its words.
    private func revoke(
        _ old: Digest256, _ root: ClusterRoot, replacedBy issuer: RevocationIssuer, _ revoking: Revoking
    ) throws {
        let (now, subject) = (revoking.now, RevocationSubject.revocationKey(old))
        let content = try revoking.file.update(atWall: now) { notices in
            let signedByOld = notices.filter { $0.grant?.value.revocationKey == old }.map(\.revocation.value)
            notices.removeAll { $0.grant?.value.revocationKey == old }
            notices += signedByOld.map {
                issuer.revoke(
                    $0.subject, notBefore: $0.notBefore, until: min($0.until, now + $0.subject.longestRevocation),
                    issuedAt: now, reason: $0.reason)
            }
            notices.append(
                root.revocationIssuer.revoke(
                    subject, notBefore: now + after.milliseconds, until: now + subject.longestRevocation,
                    issuedAt: now, reason: reason))
        }
        revoking.warn(content)
    }
}
