import Configuration
import Glibc
import Records
import Testing
import Trust

@Suite struct KeyFileTests {
    private let now: Int64 = 1_800_000_000_000

    /// A folder that is removed afterwards.
    private func withState<Result>(_ body: (StateDirectory) throws -> Result) throws -> Result {
        let folder = try TemporaryState()
        return try withExtendedLifetime(folder) { try body(folder.state) }
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    private func token(_ state: StateDirectory, roles: Roles = [.origin, .reader]) throws -> String {
        TokenFile.make(
            root: try ClusterKeyFiles.load(from: state), roles: roles, modelPrefixes: ["org/"],
            certificateLife: 3_600_000, notBefore: now, notAfter: now + 86_400_000)
    }

    @Test("A root key is private, is never overwritten, and gives tokens of its cluster")
    func root() throws {
        try withState { state in
            let anchor = try ClusterKeyFiles.create(in: state)
            #expect(mode(state.rootKey) == 0o600)
            #expect(mode(state.path) == 0o700)
            #expect(throws: ConfigurationError.self) { try ClusterKeyFiles.create(in: state) }
            let holder = try TokenFile.decode(try token(state), path: "token")
            #expect(holder.anchor == anchor)
            #expect(holder.grant.value.modelPrefixes == ["org/"])
        }
    }

    @Test("A root key that others may read is refused")
    func exposed() throws {
        try withState { state in
            _ = try ClusterKeyFiles.create(in: state)
            chmod(state.rootKey, 0o644)
            #expect(throws: ConfigurationError.exposed(path: state.rootKey, mode: "644")) {
                try ClusterKeyFiles.load(from: state)
            }
        }
    }

    @Test("A token survives its file, with a line end, and no changed digit passes")
    func tokens() throws {
        try withState { state in
            _ = try ClusterKeyFiles.create(in: state)
            let text = try token(state)
            try SecretFile.write(text + "\n", to: state.token)
            #expect(mode(state.token) == 0o600)
            _ = try TokenFile.load(state.token)
            let digits = Array(text)
            for index in stride(from: 9, to: digits.count, by: 17) {
                var changed = digits
                changed[index] = changed[index] == "0" ? "1" : "0"
                #expect(throws: ConfigurationError.self) { try TokenFile.decode(String(changed), path: "token") }
            }
        }
    }

    @Test("A peer cache keeps addresses and forgets what is none; a missing or foreign file is empty")
    func peerCache() throws {
        try withState { state in
            try state.create()
            #expect(state.peerCache.load().isEmpty)
            state.peerCache.save(["a:1", "[::1]:2"] + (1...40).map { "peer\($0):8012" })
            let loaded = state.peerCache.load()
            #expect(loaded.prefix(2) == ["a:1", "[::1]:2"])
            #expect(loaded.count == PeerCache.capacity)
            try SecretFile.write("not an address\n\u{0}\nhost:0\nb:7\n", to: "\(state.path)/peers.cache")
            #expect(state.peerCache.load() == ["b:7"])
        }
    }

    @Test("Two that make a cluster at once don't overwrite each other")
    func isNew() throws {
        try withState { state in
            try state.create()
            try SecretFile.write("first", to: state.rootKey, isNew: true)
            #expect(throws: ConfigurationError.exists(path: state.rootKey, advice: "it is never overwritten")) {
                try SecretFile.write("second", to: state.rootKey, isNew: true)
            }
            #expect(try SecretFile.read(state.rootKey, isPrivate: true) == "first")
        }
    }

    @Test("A missing token says how to make one")
    func missing() throws {
        try withState { state in
            #expect(throws: ConfigurationError.noToken(path: state.token)) { try TokenFile.load(state.token) }
            #expect("\(ConfigurationError.noToken(path: state.token))".contains("modelexpress keys token"))
        }
    }
}
