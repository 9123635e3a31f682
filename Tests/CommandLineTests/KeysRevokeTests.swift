import ArgumentParser
import Configuration
import Digest
import Glibc
import LocalAPI
import Records
import Testing
import Trust

@testable import CommandLine

struct KeysRevokeTests {
    private var keys: KeysFolder

    init() throws {
        keys = try KeysFolder()
        _ = try keys.initialise()
    }

    @Test("A token is revoked by its file, with the folder's revocation key, until all that it introduced has ended")
    func tokenFile() throws {
        try keys.token(["--expires", "7d"])
        let text = try keys.revoke(["--token", "\(keys.path)/token", "--reason", "in a public image"])
        let id = try keys.grant().id
        #expect(text.contains("token      \(id)\n") && text.contains("in a public image"))
        #expect(text.contains("Next: a server or sidecar"))
        let revocation = try #require(try keys.revocations().first)
        #expect(revocation.subject == .token(id) && revocation.notBefore == KeysFolder.now)
        #expect(revocation.until == KeysFolder.now + 7 * KeysFolder.day + ValidityLimits.introduction)
        #expect(revocation.issuedAt == KeysFolder.now && revocation.reason == "in a public image")
        #expect(try keys.believed(atWall: KeysFolder.now) == [.token(id)])
        let notice = try #require(try keys.state.revocations.load().notices.first)
        #expect(notice.grant != nil, "the revocation key signed, not the root")
    }

    @Test("Without a revocation key the root signs; without either there is a reason and a way")
    func signers() throws {
        unlink("\(keys.path)/revocation.key")
        try keys.revoke(["--peer", "\(someID("a"))"])
        #expect(try keys.state.revocations.load().notices.first?.grant == nil)
        #expect(try keys.believed(atWall: KeysFolder.now).count == 1)
        unlink("\(keys.path)/root.key")
        let error = #expect(throws: ExitError.self) { try keys.revoke(["--peer", "\(someID("b"))"]) }
        #expect(error?.code == ExitCodes.notFound)
        #expect(error?.message.contains("keys rotate --revocation-key") == true)
    }

    @Test("A revocation key revokes without the root, and not a revocation key")
    func withoutRoot() throws {
        let key = try #require(try RevocationKeyFile.load("\(keys.path)/revocation.key").grant).value.revocationKey
        rename("\(keys.path)/root.key", "\(keys.path)/other")
        try keys.revoke(["--introduction", "\(someID("i"))"])
        let error = #expect(throws: ExitError.self) { try keys.revoke(["--revocation-key", "\(key)"]) }
        #expect(error?.code == ExitCodes.notFound)
        rename("\(keys.path)/other", "\(keys.path)/root.key")
        try keys.revoke(["--revocation-key", "\(key)"])
        #expect(try keys.believed(atWall: KeysFolder.now) == [.revocationKey(key)])
        // It is of no use from now on, and the root takes its place.
        try keys.revoke(["--peer", "\(someID("p"))"])
        #expect(try keys.believed(atWall: KeysFolder.now).contains(.peer(PeerID(someID("p")))))
    }

    @Test("An ended revocation key is not used")
    func endedKey() throws {
        var keys = keys
        try keys.rotate(["--revocation-key", "--expires", "1h"])
        keys.now += 3_600_000
        try keys.revoke(["--peer", "\(someID("p"))"])
        #expect(try keys.state.revocations.load().notices.first?.grant == nil)
        unlink("\(keys.path)/root.key")
        let error = #expect(throws: ExitError.self) { try keys.revoke(["--peer", "\(someID("q"))"]) }
        #expect(error?.code == ExitCodes.refused)
    }

    @Test("Peers, introductions and tokens are revoked by their full IDs, each for as long as it can matter")
    func identifiers() throws {
        try keys.revoke(["--peer", "\(someID("p"))"])
        try keys.revoke(["--introduction", "\(someID("i"))", "--after", "10m"])
        try keys.revoke(["--token", "\(someID("t"))".uppercased()])
        try keys.revoke(["--peer", "\(someID("q"))", "--keep", "90d"])
        let now = KeysFolder.now
        let revocations = try keys.revocations()
        #expect(
            revocations.map(\.subject) == [
                .peer(PeerID(someID("p"))), .introduction(IntroductionID(someID("i"))), .token(TokenID(someID("t"))),
                .peer(PeerID(someID("q"))),
            ])
        #expect(
            revocations.map(\.until) == [
                now + 31 * KeysFolder.day, now + 30 * KeysFolder.day, now + 3680 * KeysFolder.day,
                now + 90 * KeysFolder.day,
            ])
        #expect(revocations[1].notBefore == now + 10 * KeysFolder.minute)
        #expect(try keys.believed(atWall: now).count == 3)
        #expect(try keys.believed(atWall: now + 10 * KeysFolder.minute).count == 4)
    }

    @Test(
        "Short IDs, none, two at once and what is out of bounds are usage errors",
        arguments: [
            [], ["--peer", "4f1c2d3e4a5b"], ["--introduction", "x"], ["--revocation-key", ""],
            ["--peer", String(repeating: "a", count: 64), "--token", "t"],
            ["--token", "t", "--reason", String(repeating: "x", count: 257)],
            ["--token", "t", "--after", "31d"], ["--token", "t", "--keep", "1s", "--after", "1s"],
        ])
    func usage(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try KeysRevokeCommand.parse(arguments) }
        guard arguments.first == "--peer", arguments.count == 2, let error else { return }
        #expect(KeysRevokeCommand.message(for: error).contains("`modelexpress peers --json` shows it"))
    }

    @Test("A missing file, one of another cluster and one that is no token are told apart")
    func badTokens() throws {
        let missing = #expect(throws: ExitError.self) { try keys.revoke(["--token", "\(keys.path)/nothing"]) }
        #expect(missing?.code == ExitCodes.notFound)
        let other = try KeysFolder()
        _ = try other.initialise()
        try other.token()
        let foreign = #expect(throws: ExitError.self) { try keys.revoke(["--token", "\(other.path)/token"]) }
        #expect(foreign?.code == ExitCodes.refused && foreign?.message.contains("another cluster") == true)
        let none = #expect(throws: ExitError.self) { try keys.revoke(["--token", "\(keys.path)/root.key"]) }
        #expect(none?.code == ExitCodes.failed)
        #expect(try keys.revocations().isEmpty)
    }

    @Test("What has ended needs no revocation")
    func ended() throws {
        var keys = keys
        try keys.token(["--expires", "1h"])
        keys.now += 31 * KeysFolder.day
        #expect(try keys.revoke(["--token", "\(keys.path)/token"]).contains("nothing to revoke"))
        #expect(try keys.revocations().isEmpty)
    }

    @Test("JSON tells what was revoked, in a shape that stays")
    func json() throws {
        let id = someID("p")
        let text = try keys.revoke(["--peer", "\(id)", "--reason", "a\"b", "--json"])
        let notice = try #require(try keys.state.revocations.load().notices.first)
        let key = try #require(notice.grant).value.revocationKey
        let expected =
            #"[{"cluster":"\#(notice.revocation.value.cluster)","file":"\#(keys.path)/revocations","id":"\#(notice.id)","#
            + #""issued_at":1700000000000,"kind":"revocation","not_after":1702678400000,"not_before":1700000000000,"#
            + #""reason":"a\"b","revoked_id":"\#(id)","revoked_kind":"peer","signer":"\#(key)"}]"#
        #expect(text == expected + "\n")
    }
}
