import Configuration
import Digest
import Glibc
import Records
import Telemetry
import Testing
import Trust

private let now: Int64 = 1_800_000_000_000

@Suite struct RevocationFileTests {
    private let folder: TemporaryState
    private let root: ClusterRoot
    private var file: RevocationFile { folder.state.revocations }

    init() throws {
        folder = try TemporaryState()
        _ = try ClusterKeyFiles.create(in: folder.state)
        root = try ClusterKeyFiles.load(from: folder.state)
    }

    private func notice(_ name: String, until: Int64 = now + 1000) -> RevocationNotice {
        root.revocationIssuer.revoke(
            .peer(PeerID(BLAKE2b.digest(Array(name.utf8)))), notBefore: now, until: until, issuedAt: now, reason: name)
    }

    @Test("Notices are added one by one and come back; what has ended and what is there twice is left out")
    func update() throws {
        #expect(try file.load().notices.isEmpty, "no file is an empty one")
        try file.update(atWall: now) { $0.append(notice("a", until: now + 1)) }
        try file.update(atWall: now) { $0 += [notice("b"), notice("b")] }
        #expect(try file.load().notices == [notice("a", until: now + 1), notice("b")])
        let content = try file.update(atWall: now + 1) { $0.append(notice("b")) }
        #expect(content.notices == [notice("b")])
        #expect(try file.load().notices == [notice("b")])
        #expect(folder.mode(file.path) == 0o644)
    }

    @Test("A damaged line is told with its number, hides no other, and stays where people can look at it")
    func damagedLines() throws {
        let good = RevocationFile.line(notice("a"))
        let lines = ["# a remark", good, "", "nonsense", String(good.dropLast(2)), good + "00", good.uppercased()]
        try SecretFile.write(lines.joined(separator: "\r\n") + "\n", to: file.path)
        let content = try file.load()
        #expect(content.notices == [notice("a")])
        #expect(content.damaged.map(\.number) == [4, 5, 6, 7])
        #expect(content.damaged.first?.description.hasPrefix("line 4 is no revocation, or is damaged") == true)
        try file.update(atWall: now) { $0.append(notice("b")) }
        let after = try file.load()
        #expect(after.notices == [notice("a"), notice("b")] && after.damaged.count == 4)
        #expect(try SecretFile.read(file.path, isPrivate: false).contains("# a remark"))
    }

    @Test("Writers that come at once lose nothing")
    func manyWriters() async throws {
        let (file, notices) = (file, (0..<16).map { notice("\($0)") })
        try await withThrowingTaskGroup { group in
            for notice in notices { group.addTask { _ = try file.update(atWall: now) { $0.append(notice) } } }
            try await group.waitForAll()
        }
        #expect(Set(try file.load().notices) == Set(notices))
    }

    @Test("A folder that can't be written to is an error that names the file")
    func unwritable() throws {
        let file = RevocationFile(path: "\(folder.state.path)/missing/revocations")
        let error = #expect(throws: ConfigurationError.self) { try file.update(atWall: now) { _ in } }
        #expect("\(error.map { "\($0)" } ?? "")".contains(file.path))
    }

    @Test("A revocation key survives its file, is private, and no changed digit passes")
    func revocationKey() throws {
        let path = folder.state.revocationKey
        let (text, issuer) = RevocationKeyFile.make(root: root, notBefore: now, notAfter: now + 1000)
        try SecretFile.write(text + "\n", to: path)
        #expect(folder.mode(path) == 0o600)
        let loaded = try RevocationKeyFile.load(path)
        #expect(loaded.grant == issuer.grant && loaded.anchor == root.anchor)
        let subject = RevocationSubject.introduction(IntroductionID(.zero))
        #expect(
            loaded.revoke(subject, notBefore: now, until: now + 1, issuedAt: now, reason: "")
                == issuer.revoke(subject, notBefore: now, until: now + 1, issuedAt: now, reason: ""))
        let digits = Array(text)
        for index in stride(from: 17, to: digits.count, by: 13) {
            var changed = digits
            changed[index] = changed[index] == "0" ? "1" : "0"
            try SecretFile.write(String(changed), to: path)
            #expect(throws: ConfigurationError.malformed(path: path, what: "a revocation key")) {
                try RevocationKeyFile.load(path)
            }
        }
        chmod(path, 0o644)
        #expect(throws: ConfigurationError.exposed(path: path, mode: "644")) { try RevocationKeyFile.load(path) }
    }

    @Test("A watcher gives each notice once it is taken, and again when it was not")
    func watch() async throws {
        let (file, first, second) = (file, notice("a"), notice("b"))
        try file.update(atWall: now) { $0.append(first) }
        let offered = Guarded<[RevocationNotice]>([])
        let (stream, continuation) = AsyncStream.makeStream(of: Int.self)
        let watch = Task {
            await RevocationWatch.run(file: file, period: 1_000_000) { notice in
                let count = offered.withLock { offered in
                    offered.append(notice)
                    return offered.count
                }
                continuation.yield(count)
                return count != 2
            }
        }
        var counts = stream.makeAsyncIterator()
        #expect(await counts.next() == 1)
        try file.update(atWall: now) { $0.append(second) }
        #expect(await counts.next() == 2)
        #expect(await counts.next() == 3)
        try SecretFile.write("damaged\n", to: file.path)
        try file.update(atWall: now) { $0 += [first, second, notice("c")] }
        #expect(await counts.next() == 4)
        watch.cancel()
        await watch.value
        #expect(offered.withLock { $0 } == [first, second, second, notice("c")])
    }
}
