import Glibc
import Records

/// The folder in which the peers of one host find each other's lane sockets.
struct HostSocketDirectory {
    private static let suffix = ".sock"
    /// Hexadecimal digits of a peer's id in its socket's name.
    private static let nameDigits = 32
    /// Before the name of a socket that doesn't listen yet.
    private static let unfinished = "."

    let path: String

    static func socketName(of peer: PeerID) -> String { String(peer.description.prefix(nameDigits)) + suffix }

    /// Whether `name` is one that `socketName` could have made: in particular no path to somewhere else.
    static func isSocketName(_ name: String) -> Bool {
        guard name.utf8.count == nameDigits + suffix.utf8.count, name.hasSuffix(suffix) else { return false }
        return name.utf8.prefix(nameDigits).allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
    }

    func socketPath(_ name: String) throws(LaneServerError) -> String {
        let full = path + "/" + name
        guard full.utf8.count <= LaneLimits.socketPath else {
            throw .socketPathTooLong(path: full, limit: LaneLimits.socketPath)
        }
        return full
    }

    /// Makes the folder, or refuses one in which others could replace our sockets.
    func prepare() throws(LaneServerError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw .unsafeDirectory(path: path, why: "it can't be made: \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw .unsafeDirectory(path: path, why: String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .unsafeDirectory(path: path, why: "it is no directory")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw .unsafeDirectory(path: path, why: "it belongs to user \(status.st_uid)")
        }
        guard status.st_mode & (S_IWGRP | S_IWOTH) == 0 || status.st_mode & S_ISVTX != 0 else {
            throw .unsafeDirectory(path: path, why: "others may write to it and it isn't sticky")
        }
    }

    /// Removes the sockets of peers that were killed: nobody listens there any more.
    func removeStaleSockets() -> [String] {
        names().filter { name in
            let isUnfinished = name.hasPrefix(Self.unfinished)
            guard Self.isSocketName(isUnfinished ? String(name.dropFirst()) : name),
                let full = try? socketPath(name), isSocket(full, settled: isUnfinished), nobodyListens(at: full)
            else { return false }
            return unlink(full) == 0
        }
    }

    /// A listening socket under `name`. It appears there only once it listens, so that nobody takes it for a stale one.
    func listen(name: String) throws(LaneServerError) -> Socket {
        let final = try socketPath(name)
        let temporary = try socketPath(Self.unfinished + name)
        do throws(SocketFailure) {
            unlink(temporary)
            let socket = try SocketEndpoints.listenUnix(path: temporary)
            guard rename(temporary, final) == 0 else { throw .last("rename") }
            return socket
        } catch {
            unlink(temporary)
            throw .cannotListen(place: final, why: error.description)
        }
    }

    private func names() -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while names.count < LaneLimits.directoryEntries, let entry = readdir(folder) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { name in
                    String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    /// `settled` asks in addition that it is older than the making of a socket takes.
    private func isSocket(_ full: String, settled: Bool) -> Bool {
        var status = stat()
        guard lstat(full, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return false }
        return !settled || time(nil) - status.st_mtim.tv_sec > LaneLimits.abandonedSocketAge
    }

    private func nobodyListens(at full: String) -> Bool {
        do throws(SocketFailure) {
            _ = try SocketEndpoints.connectUnix(path: full)
            return false
        } catch {
            return error == .system(call: "connect", code: ECONNREFUSED)
        }
    }
}
