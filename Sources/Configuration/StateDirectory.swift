import CLinux
import Glibc

/// The folder of one user's ModelExpress: keys, token, local socket, digest cache (`MX_STATE_DIR`).
package struct StateDirectory: Hashable, Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    /// The flag, else `MX_STATE_DIR`, else `.modelexpress` in the home folder.
    package static func resolve(flag: String?, environment: Environment) -> StateDirectory {
        if let chosen = flag ?? environment["MX_STATE_DIR"] { return StateDirectory(path: chosen) }
        let home = environment["HOME"] ?? Self.homeOfUser ?? "."
        return StateDirectory(path: "\(home)/.modelexpress")
    }

    /// As the system's list of users has it: for services that run without HOME.
    private static var homeOfUser: String? {
        guard let entry = getpwuid(getuid()), let home = entry.pointee.pw_dir else { return nil }
        return String(cString: home)
    }

    package var rootKey: String { "\(path)/root.key" }
    package var rootPublicKey: String { "\(path)/root.pub" }
    package var revocationKey: String { "\(path)/revocation.key" }
    package var revocations: RevocationFile { RevocationFile(path: "\(path)/revocations") }
    package var token: String { "\(path)/token" }
    /// Where a sidecar answers the command line.
    package var sidecarSocket: String { "\(path)/sidecar.sock" }
    package var serverSocket: String { "\(path)/server.sock" }
    /// Where the peer of one `serve` or `pull` answers; the process id keeps several apart.
    package var commandSocket: String { "\(path)/peer-\(getpid()).sock" }

    /// Sockets of every such peer, in order of names.
    package var commandSockets: [String] { names { $0.hasPrefix("peer-") && $0.hasSuffix(".sock") } }

    /// Removes what peers that were killed left of their sockets: their process is gone.
    package func removeDeadCommandSockets() {
        for file in names({ $0.hasPrefix("peer-") }) {
            let digits = file.dropFirst("\(path)/peer-".count).prefix { $0.isNumber }
            guard let process = Int32(digits), kill(process, 0) != 0, errno == ESRCH else { continue }
            unlink(file)
        }
    }

    private func names(_ include: (String) -> Bool) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var found: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if include(name) { found.append("\(path)/\(name)") }
        }
        return found.sorted()
    }

    /// Neighbours of a daemon's last run.
    package var peerCache: PeerCache { PeerCache(path: "\(path)/peers.cache") }
    package var serverPeerCache: PeerCache { PeerCache(path: "\(path)/server-peers.cache") }
    package var digestCache: String { "\(path)/digests" }
    /// Where peers of this user on this host find each other's shared-memory lanes.
    package var laneSockets: String { "\(path)/lanes" }

    /// Makes the folder, mode 0700, with its parents.
    package func create() throws(ConfigurationError) {
        var partial = path.hasPrefix("/") ? "" : "."
        for component in path.split(separator: "/") {
            partial += "/\(component)"
            if mkdir(partial, 0o700) != 0, errno != EEXIST {
                throw .unwritable(path: partial, reason: SecretFile.errorText())
            }
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw .unwritable(path: path, reason: "it is not a folder")
        }
    }
}

/// The environment as it was at the program's start. Only this room reads it.
package struct Environment: Sendable {
    private let values: [String: String]

    package init(_ values: [String: String]) { self.values = values }

    /// All whose names begin so.
    package func variables(beginning prefix: String) -> [String: String] {
        values.filter { $0.key.hasPrefix(prefix) }
    }

    /// The process's own.
    package static func current() -> Environment {
        var values: [String: String] = [:]
        var cursor = environ
        while let entry = cursor.pointee {
            let text = String(cString: entry)
            if let separator = text.firstIndex(of: "=") {
                values[String(text[..<separator])] = String(text[text.index(after: separator)...])
            }
            cursor += 1
        }
        return Environment(values)
    }

    /// Nil when unset or empty.
    package subscript(_ name: String) -> String? {
        guard let value = values[name], !value.isEmpty else { return nil }
        return value
    }
}
