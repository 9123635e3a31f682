import CLinux
import Glibc
import Synchronization

/// The folder of an embedded Redis, locked for as long as this value's owner keeps it open.
///
/// Two locks, both freed by the kernel when their holders die, however they die: `redis.lock` is held by the server, so that
/// a folder has one; `redis.out` is also the child's standard output and so held until the child is gone, which tells a
/// later start whether a child of an earlier run still has the data open.
final class RedisDataFolder: Sendable {
    /// A log over this many bytes is put aside as `redis.log.1` when a child starts.
    private static let longestLog = 4 << 20
    /// How much of a log's end goes into an error, in bytes.
    private static let excerpt = 512

    /// Absolute, without symbolic links.
    let path: String
    let socket: String
    private let lock: Atomic<Int32>

    var log: String { path + "/redis.log" }
    private var output: String { path + "/redis.out" }

    /// Makes the folder if there is none, and locks it.
    init(_ wanted: String) throws(EmbeddedRedisError) {
        try Self.make(wanted)
        guard let resolved = realpath(wanted, nil) else { throw Self.failure(wanted, mx_errno()) }
        path = String(cString: resolved)
        free(resolved)
        let socket = path + "/redis.sock"
        guard socket.utf8.count <= RedisURL.longestSocketPath else { throw .socketPathTooLong(path: socket) }
        let descriptor = try Self.open(path, name: "redis.lock")
        guard mx_lock_file(descriptor) == 0 else {
            let code = mx_errno()
            close(descriptor)
            throw code == EAGAIN || code == EACCES ? .inUse(folder: path) : Self.failure(path, code)
        }
        self.socket = socket
        lock = Atomic(descriptor)
    }

    deinit { unlock() }

    /// Lets another server have the folder. Again does nothing.
    func unlock() {
        let descriptor = lock.exchange(-1, ordering: .relaxed)
        if descriptor >= 0 { close(descriptor) }
    }

    /// The locked standard output for a new child, to be closed after it was started; nil while an earlier one lives.
    func openOutput() throws(EmbeddedRedisError) -> Int32? {
        let descriptor = try Self.open(path, name: "redis.out")
        if mx_lock_file(descriptor) == 0 {
            ftruncate(descriptor, 0)
            return descriptor
        }
        let code = mx_errno()
        close(descriptor)
        guard code == EAGAIN || code == EACCES else { throw Self.failure(path, code) }
        return nil
    }

    /// Ends whoever listens on the socket. Only a child of an earlier run can, as the folder is ours.
    func signalLeftover(_ signal: Int32) {
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        guard connectSocket(descriptor) else { return }
        // As `struct ucred`, which is hidden without _GNU_SOURCE.
        var credentials: (process: pid_t, user: uid_t, group: gid_t) = (0, 0, 0)
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else { return }
        if credentials.process > 1 { kill(credentials.process, signal) }
    }

    /// Keeps the log from growing over many starts.
    func rotateLog() {
        var status = stat()
        if stat(log, &status) == 0, status.st_size > Self.longestLog { rename(log, log + ".1") }
    }

    /// The end of what the child wrote, for people.
    func lastWords() -> String {
        [output, log].map(Self.tail).filter { !$0.isEmpty }.joined(separator: " ")
    }

    // MARK: System calls

    private static func make(_ path: String) throws(EmbeddedRedisError) {
        guard path.utf8.count > 0 else { throw .folder(path: "(empty)", cause: "it has no name") }
        var parent = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            parent += part + "/"
            if mkdir(parent, 0o700) != 0, mx_errno() != EEXIST { throw failure(parent, mx_errno()) }
        }
    }

    private static func open(_ folder: String, name: String) throws(EmbeddedRedisError) -> Int32 {
        let path = "\(folder)/\(name)"
        let descriptor = mx_open(path, O_RDWR | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw failure(path, mx_errno()) }
        return descriptor
    }

    private static func tail(_ path: String) -> String {
        let descriptor = mx_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        var bytes = [UInt8](repeating: 0, count: excerpt)
        let count = pread(descriptor, &bytes, excerpt, max(0, size - excerpt))
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        return text.split(separator: "\n").suffix(3).joined(separator: " / ")
    }

    private func connectSocket(_ descriptor: Int32) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // The length was checked in init; what is left stays zero.
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socket.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private static func failure(_ path: String, _ code: Int32) -> EmbeddedRedisError {
        .folder(path: path, cause: String(cString: strerror(code)))
    }
}
