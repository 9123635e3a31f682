import ArgumentParser
import Configuration
import Digest
import Glibc
import LocalAPI
import Records
import Testing
import Trust

@testable import CommandLine

struct KeysInspectTests {
    private let keys: KeysFolder

    init() throws { keys = try KeysFolder() }

    @Test("A folder tells of each of its keys, in text and in JSON")
    func folder() throws {
        _ = try keys.initialise()
        try keys.token()
        try keys.rotate(["--revoke-old"])
        let text = try keys.inspect()
        let grant = try keys.grant()
        for name in ["root.key", "root.pub", "revocation.key", "token", "revocations"] {
            #expect(text.contains("\(keys.path)/\(name)\n"))
        }
        #expect(text.contains("\(grant.id)") && text.contains("(in 10 min 0 s)"))
        let views = try LocalJSON.decode([KeyView].self, from: try keys.inspect(["--json"]).utf8)
        #expect(views.map(\.kind) == ["root key", "public key", "revocation key", "token", "revocation"])
        #expect(Set(views.map(\.cluster)) == [grant.cluster.description])
        #expect(views[3].id == grant.id.description && views[3].notAfter == grant.notAfter && views[3].peers == 0)
    }

    @Test("Damaged lines are told with their numbers, beside what can be read")
    func damaged() throws {
        _ = try keys.initialise()
        try keys.revoke(["--peer", "\(someID("p"))"])
        let good = try SecretFile.read("\(keys.path)/revocations", isPrivate: false)
        try SecretFile.write("# kept\n\(good)mxrevocation1:00\n", to: "\(keys.path)/revocations")
        let text = try keys.inspect(["\(keys.path)/revocations"])
        #expect(text.contains("\(someID("p"))") && text.contains("line 3 is no revocation"))
        try keys.revoke(["--peer", "\(someID("q"))"])
        let after = try SecretFile.read("\(keys.path)/revocations", isPrivate: false)
        #expect(after.contains("# kept\n") && after.contains("mxrevocation1:00\n") && after.contains(good))
        #expect(try keys.revocations().count == 2)
    }

    @Test("Nothing, an empty folder, an exposed key and any other file are errors with their own codes")
    func errors() throws {
        let none = #expect(throws: ExitError.self) { try keys.inspect(["\(keys.path)/nothing"]) }
        #expect(none?.code == ExitCodes.notFound)
        let empty = #expect(throws: ExitError.self) { try keys.inspect() }
        #expect(empty?.code == ExitCodes.notFound && empty?.message.contains("keys init") == true)
        _ = try keys.initialise()
        chmod("\(keys.path)/revocation.key", 0o644)
        let exposed = #expect(throws: ExitError.self) { try keys.inspect() }
        #expect(exposed?.code == ExitCodes.refused)
        try SecretFile.write("something else", to: "\(keys.path)/other")
        let other = #expect(throws: ExitError.self) { try keys.inspect(["\(keys.path)/other"]) }
        #expect(other?.code == ExitCodes.failed)
    }
}

struct KeysSecrecyTests {
    /// Secrets as they lie in files: the last bytes of each, as digits.
    private func secrets(_ keys: KeysFolder) throws -> [String] {
        try ["root.key", "revocation.key", "token", "other"].map { name in
            let text = try SecretFile.read("\(keys.path)/\(name)", isPrivate: true)
            return String(text.dropLast().suffix(64))
        }
    }

    /// Every sixteen digits of a secret count as a leak.
    private func leaks(_ text: String, _ secrets: [String]) -> Bool {
        let lowercased = text.lowercased()
        return secrets.contains { secret in
            stride(from: 0, to: 64, by: 16).contains { start in
                lowercased.contains(secret.dropFirst(start).prefix(16))
            }
        }
    }

    @Test("No command and no error tells a secret, and nor does the list of revocations")
    func nothingLeaks() throws {
        let keys = try KeysFolder()
        var told = [try keys.initialise(), try keys.token(), try keys.token(["--out", "\(keys.path)/other"])]
        var secrets = try secrets(keys)
        for json in [[], ["--json"]] {
            told.append(try keys.revoke(["--token", "\(keys.path)/other"] + json))
            told.append(try keys.revoke(["--peer", "\(someID("p"))"] + json))
            told.append(try keys.rotate(["--revoke-old"] + json))
            told.append(try keys.rotate(["--revocation-key", "--revoke-old"] + json))
            told.append(try keys.token(["--out", "\(keys.path)/other"] + json))
            told.append(try keys.inspect(json))
            secrets += try self.secrets(keys)
        }
        told.append(try SecretFile.read("\(keys.path)/revocations", isPrivate: false))
        told.append(try SecretFile.read("\(keys.path)/root.pub", isPrivate: false))
        // Errors about files that hold secrets: damaged, exposed, of the wrong kind.
        for name in ["root.key", "revocation.key", "token", "other"] {
            let text = try SecretFile.read("\(keys.path)/\(name)", isPrivate: false)
            try SecretFile.write("x" + text, to: "\(keys.path)/\(name)")
            let attempts: [() throws -> String] = [
                { try keys.inspect(["\(keys.path)/\(name)"]) }, { try keys.rotate(["\(keys.path)/\(name)"]) },
                { try keys.revoke(["--token", "\(keys.path)/\(name)"]) }, { try keys.rotate(["--revocation-key"]) },
                { try keys.revoke(["--token", String(text.dropLast())]) },
            ]
            for attempt in attempts.prefix(name == "other" ? 5 : 4) {
                do { told.append(try attempt()) } catch { told.append("\(error) \(ExitError(error))") }
            }
        }
        #expect(told.count > 20)
        for text in told { #expect(!leaks(text, secrets), "\(text)") }
    }
}
