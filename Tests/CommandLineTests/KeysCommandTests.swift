import ArgumentParser
import Configuration
import LocalAPI
import Records
import Testing
import Trust

@testable import CommandLine

struct KeysCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func makeCluster() throws -> String {
        try KeysInitCommand.parse(["--state-dir", folder.path]).perform(now: 1_700_000_000_000)
    }

    private func token(_ arguments: [String] = [], now: Int64 = 1_700_000_000_000) throws -> String {
        try KeysTokenCommand.parse(["--state-dir", folder.path] + arguments).perform(now: now)
    }

    @Test("A new cluster's files are for their owner alone, and no secret is told")
    func create() throws {
        let text = try makeCluster()
        let key = try SecretFile.read("\(folder.path)/root.key", isPrivate: true)
        #expect(folder.mode("root.key") == 0o600 && folder.mode("revocation.key") == 0o600)
        #expect(text.contains("\(folder.path)/root.key"))
        #expect(!text.contains(key.dropFirst(8).prefix(16)))
    }

    @Test("A root key is never overwritten")
    func overwriting() throws {
        _ = try makeCluster()
        let before = try SecretFile.read("\(folder.path)/root.key", isPrivate: true)
        let error = #expect(throws: ExitError.self) { try makeCluster() }
        #expect(error?.code == ExitCodes.refused)
        #expect(error?.message.contains("root.key exists already") == true)
        #expect(try SecretFile.read("\(folder.path)/root.key", isPrivate: true) == before)
    }

    @Test("A token goes around: made, read back, inspected")
    func roundTrip() throws {
        _ = try makeCluster()
        let text = try token([
            "--roles", "relay,reader", "--models", "team-a/", "--models", "team-b/", "--life", "90m", "--peers", "300",
        ])
        #expect(folder.mode("token") == 0o600)
        let secret = try SecretFile.read("\(folder.path)/token", isPrivate: true)
        #expect(!text.contains("mxtoken1:") && !text.contains(secret.suffix(20).dropLast()))

        let grant = try TokenFile.load("\(folder.path)/token").grant.value
        #expect(grant.roles == [.relay, .reader])
        #expect(grant.modelPrefixes == ["team-a/", "team-b/"])
        #expect(grant.certificateLife == 5_400_000 && grant.peers == 300)
        #expect(grant.notBefore == 1_700_000_000_000)
        #expect(grant.notAfter == 1_700_000_000_000 + 7 * 86_400_000)

        let report = try KeysInspectCommand.parse(["\(folder.path)/token"]).report(now: 1_700_000_000_000)
        #expect(report.contains("roles    relay, reader\n"))
        #expect(report.contains("models   those whose names begin with \"team-a/\" or \"team-b/\"\n"))
        #expect(report.contains("peers    at most 300 in the view of each peer\n"))
        #expect(report.contains("token    \(grant.id)\n"))
        #expect(report.contains("life     certificates hold 1 h 30 min\n"))
        #expect(report.contains("ends     2023-11-21 22:13:20 UTC (in 7 d 0 h)\n"))
        #expect(report.contains(grant.cluster.description))
        #expect(!report.contains(secret.suffix(20).dropLast()))
    }

    @Test("A token that has ended says so")
    func ended() throws {
        _ = try makeCluster()
        _ = try token(["--expires", "30s"])
        let report = try KeysInspectCommand.parse(["\(folder.path)/token"]).report(now: 1_700_000_030_000)
        #expect(report.contains("it has ended"))
        #expect(report.contains("models   all\n") && report.contains("peers    no limit\n"))
    }

    @Test("Standard output gets the token and nothing else, and no file is written")
    func standardOutput() throws {
        _ = try makeCluster()
        let text = try token(["--out", "-", "--roles", "server"])
        #expect(text.hasPrefix("mxtoken1:") && text.hasSuffix("\n"))
        #expect(try TokenFile.decode(text, path: "-").grant.value.roles == .server)
        #expect(folder.mode("token") == 0)
    }

    @Test("A token may go to a file of its own, and replaces what lies there")
    func otherFile() throws {
        _ = try makeCluster()
        _ = try token(["--out", "\(folder.path)/other"])
        _ = try token(["--out", "\(folder.path)/other", "--roles", "reader"])
        #expect(folder.mode("other") == 0o600)
        #expect(try TokenFile.load("\(folder.path)/other").grant.value.roles == .reader)
    }

    @Test("Without a root key there is no token")
    func noRoot() throws {
        let error = #expect(throws: ExitError.self) { try token() }
        #expect(error?.code == ExitCodes.notFound)
        #expect(error?.message.contains("keys init") == true)
        let missing = #expect(throws: ExitError.self) {
            try KeysInspectCommand.parse(["\(folder.path)/token"]).report(now: 0)
        }
        #expect(missing?.code == ExitCodes.notFound)
    }

    @Test(
        "Limits that no token has are refused before anything is made",
        arguments: [
            ["--roles", "king"], ["--roles", ""], ["--roles", "reader,"], ["--life", "25h"], ["--life", "0s"],
            ["--life", "soon"], ["--expires", "0"], ["--expires", "999999d"], ["--expires", "-1s"],
            ["--peers", "-1"], ["--peers", "4294967296"],
        ])
    func limits(arguments: [String]) { #expect(throws: (any Error).self) { try KeysTokenCommand.parse(arguments) } }
}
