import Configuration
import LocalAPI
import Records
import Trust

/// How the commands revoke: with the keys of a state folder, into its list.
struct Revoking {
    let options: KeysOptions
    /// Milliseconds since 1970.
    let now: Int64

    var file: RevocationFile { options.directory.revocations }

    /// The revocation key of the folder, or the root when there is none that holds now.
    ///
    /// - Parameter needsRoot: for what only the root may say.
    func issuer(needsRoot: Bool = false) throws -> RevocationIssuer {
        let directory = options.directory
        if needsRoot { return try options.loadRoot().revocationIssuer }
        let key: RevocationIssuer
        do throws(ConfigurationError) {
            key = try RevocationKeyFile.load(directory.revocationKey)
        } catch .unreadable(let path, let reason) {
            return try root(orElse: "can't read the revocation key \(path): \(reason)", code: ExitCodes.notFound)
        } catch {
            throw ExitError(error)
        }
        if let grant = key.grant?.value, grant.notAfter <= now {
            return try root(
                orElse: "the revocation key \(directory.revocationKey) has ended", code: ExitCodes.refused)
        }
        if let subject = key.subject, try isRevoked(subject) {
            return try root(
                orElse: "the revocation key \(directory.revocationKey) is itself revoked", code: ExitCodes.refused)
        }
        return key
    }

    /// Adds to the list and gives the notice.
    func add(_ notice: RevocationNotice) throws {
        do {
            let content = try file.update(atWall: now) { $0.append(notice) }
            warn(content)
        } catch {
            throw ExitError(error)
        }
    }

    func warn(_ content: RevocationFile.Content) {
        for line in content.damaged {
            StandardText.error.write("warning: \(TerminalText.escaped("\(file.path): \(line)")); it is left as it is\n")
        }
    }

    private func isRevoked(_ subject: RevocationSubject) throws -> Bool {
        do {
            return try file.load().notices.map(\.revocation.value).contains {
                $0.subject == subject && $0.holds(atWall: now)
            }
        } catch {
            throw ExitError(error)
        }
    }

    private func root(orElse problem: String, code: Int) throws -> RevocationIssuer {
        guard let root = try? ClusterKeyFiles.load(from: options.directory) else {
            throw ExitError(
                code: code,
                message: "\(problem), and there is no root key beside it; make another where the root key is, with "
                    + "`modelexpress keys rotate --revocation-key`, or name the folder of one with --state-dir")
        }
        return root.revocationIssuer
    }
}

extension RevocationIssuer {
    /// What revokes this issuer; nil for the root, which nothing revokes.
    var subject: RevocationSubject? { grant.map { .revocationKey($0.value.revocationKey) } }
}
