import ArgumentParser
import Configuration
import Digest
import Glibc
import LocalAPI
import Records
import Testing
import Trust

@testable import CommandLine

struct KeysRotateTests {
    private var keys: KeysFolder

    init() throws {
        keys = try KeysFolder()
        _ = try keys.initialise()
    }

    @Test("A token is replaced by one with the same limits, another key and a new life; the old one holds on")
    func token() throws {
        var keys = keys
        try keys.token(["--roles", "reader", "--models", "a/", "--life", "2h", "--peers", "9", "--expires", "3d"])
        let old = try keys.grant()
        keys.now += KeysFolder.day
        let text = try keys.rotate()
        let new = try keys.grant()
        #expect(new.id != old.id && new.delegatedKey != old.delegatedKey && keys.folder.mode("token") == 0o600)
        #expect(new.roles == old.roles && new.modelPrefixes == old.modelPrefixes && new.peers == 9)
        #expect(new.certificateLife == old.certificateLife)
        #expect(new.notBefore == keys.now && new.notAfter == keys.now + 3 * KeysFolder.day)
        #expect(text.contains("\(old.id)") && text.contains("\(new.id)") && text.contains("The old token holds until"))
        #expect(try keys.revocations().isEmpty)
    }

    @Test("The old token is revoked after an overlap, and told at once")
    func revokeOld() throws {
        try keys.token()
        let old = try keys.grant()
        let text = try keys.rotate(["--revoke-old"])
        let revocation = try #require(try keys.revocations().first)
        #expect(revocation.subject == .token(old.id))
        #expect(revocation.notBefore == KeysFolder.now + 10 * KeysFolder.minute)
        #expect(revocation.until == old.notAfter + ValidityLimits.introduction && revocation.reason == "rotated")
        #expect(text.contains("The old token is revoked from 2023-11-14 22:23:20 UTC on."))
        #expect(text.contains("Next: a server or sidecar"))
        try keys.rotate(["--revoke-old", "--after", "0s", "--expires", "1h"])
        #expect(try keys.revocations().last?.notBefore == KeysFolder.now)
        #expect(try keys.grant().notAfter == KeysFolder.now + 3_600_000)
    }

    @Test("A token in another file is rotated there; one of another cluster, or none, is left alone")
    func files() throws {
        try keys.token(["--out", "\(keys.path)/other"])
        let old = try keys.grant("other")
        try keys.rotate(["\(keys.path)/other"])
        #expect(try keys.grant("other").id != old.id)
        let missing = #expect(throws: ExitError.self) { try keys.rotate() }
        #expect(missing?.code == ExitCodes.notFound)
        let foreign = try KeysFolder()
        _ = try foreign.initialise()
        try foreign.token()
        let before = try foreign.grant()
        let error = #expect(throws: ExitError.self) { try keys.rotate(["\(foreign.path)/token"]) }
        #expect(error?.code == ExitCodes.refused)
        #expect(try foreign.grant() == before)
    }

    @Test("A stolen revocation key is replaced: what it had revoked is signed again, and the old key is revoked")
    func stolenKey() throws {
        var keys = keys
        let (peer, other) = (RevocationSubject.peer(PeerID(someID("p"))), RevocationSubject.peer(PeerID(someID("q"))))
        try keys.revoke(["--peer", "\(someID("p"))", "--reason", "old"])
        let old = try #require(try RevocationKeyFile.load("\(keys.path)/revocation.key").grant).value.revocationKey
        let stolen = try RevocationKeyFile.load("\(keys.path)/revocation.key")
        keys.now += KeysFolder.minute
        let text = try keys.rotate(["--revocation-key", "--revoke-old", "--after", "0s"])
        #expect(text.contains("The old key \(old) is revoked"))
        #expect(Set(try keys.believed(atWall: keys.now)) == [peer, .revocationKey(old)])
        #expect(keys.folder.mode("revocation.key") == 0o600)
        let again = try #require(try keys.revocations().last { $0.subject == peer })
        #expect(again.notBefore == KeysFolder.now && again.until == KeysFolder.now + 31 * KeysFolder.day)
        #expect(again.reason == "old")
        // What the thief still signs is worth nothing.
        let forged = stolen.revoke(
            other, notBefore: 0, until: keys.now + 1000, issuedAt: KeysFolder.now, reason: "")
        try keys.state.revocations.update(atWall: keys.now) { $0.insert(forged, at: 0) }
        #expect(!(try keys.believed(atWall: keys.now)).contains(other))
        try keys.revoke(["--peer", "\(someID("q"))"])
        #expect(try keys.believed(atWall: keys.now).contains(other))
    }

    @Test("A lost revocation key is replaced, but only by its ID revoked")
    func lostKey() throws {
        unlink("\(keys.path)/revocation.key")
        let error = #expect(throws: ExitError.self) { try keys.rotate(["--revocation-key", "--revoke-old"]) }
        #expect(error?.code == ExitCodes.notFound && error?.message.contains("--revocation-key") == true)
        try keys.rotate(["--revocation-key"])
        try keys.revoke(["--peer", "\(someID("p"))"])
        #expect(try keys.believed(atWall: keys.now).count == 1)
    }

    @Test(
        "What makes no sense is a usage error",
        arguments: [
            ["file", "--revocation-key"], ["--expires", "0s"], ["--expires", "4000d"], ["--after", "31d"],
            ["--reason", String(repeating: "x", count: 257)],
        ])
    func usage(arguments: [String]) { #expect(throws: (any Error).self) { try KeysRotateCommand.parse(arguments) } }

    @Test("Without the root key nothing is replaced")
    func noRoot() throws {
        try keys.token()
        let before = try keys.grant()
        unlink("\(keys.path)/root.key")
        for arguments in [[], ["--revocation-key"]] {
            let error = #expect(throws: ExitError.self) { try keys.rotate(arguments) }
            #expect(error?.code == ExitCodes.notFound)
        }
        #expect(try keys.grant() == before)
    }
}
