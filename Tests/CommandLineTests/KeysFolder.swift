import ArgumentParser
import Configuration
import Digest
import Records
import Signing
import Trust

@testable import CommandLine

/// A state folder in which the `keys` commands run, at a time that the test chooses.
struct KeysFolder {
    static let now: Int64 = 1_700_000_000_000
    static let minute: Int64 = 60_000
    static let day: Int64 = 86_400_000

    let folder: TemporaryFolder
    var now = Self.now

    init() throws { folder = try TemporaryFolder() }

    var path: String { folder.path }
    var state: StateDirectory { StateDirectory(path: path) }

    func initialise(_ arguments: [String] = []) throws -> String {
        try KeysInitCommand.parse(["--state-dir", path] + arguments).perform(now: now)
    }

    @discardableResult
    func token(_ arguments: [String] = []) throws -> String {
        try KeysTokenCommand.parse(["--state-dir", path] + arguments).perform(now: now)
    }

    @discardableResult
    func revoke(_ arguments: [String]) throws -> String {
        try KeysRevokeCommand.parse(["--state-dir", path] + arguments).perform(now: now)
    }

    @discardableResult
    func rotate(_ arguments: [String] = []) throws -> String {
        try KeysRotateCommand.parse(["--state-dir", path] + arguments).perform(now: now)
    }

    func inspect(_ arguments: [String] = []) throws -> String {
        try KeysInspectCommand.parse(["--state-dir", path] + arguments).report(now: now)
    }

    func grant(_ name: String = "token") throws -> TokenGrant { try TokenFile.load("\(path)/\(name)").grant.value }

    func revocations() throws -> [Revocation] { try state.revocations.load().notices.map(\.revocation.value) }

    /// What a peer of the cluster believes of the list.
    func believed(atWall wall: Int64) throws -> [RevocationSubject] {
        var rules = TrustRules(anchor: try ClusterKeyFiles.load(from: state).anchor, verifier: Ed25519Verifier())
        for notice in try state.revocations.load().notices { _ = try? rules.insert(notice, atWall: wall) }
        rules.expireRevocations(atWall: wall)
        return rules.revocations.notices.map(\.revocation.value).filter { $0.holds(atWall: wall) }.map(\.subject)
    }
}

/// A full ID that nothing has.
func someID(_ name: String) -> Digest256 { BLAKE2b.digest(Array(name.utf8)) }
