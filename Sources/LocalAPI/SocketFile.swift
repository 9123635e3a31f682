import CLinux
import Glibc
import Synchronization

/// A listening Unix socket at a path that this process alone owns.
///
/// A lock on `PATH.lock` tells a living owner from one that was killed: the kernel drops it with the process, and the socket
/// that a dead owner left is removed. The lock file itself stays, since removing it would let two processes own the path.
final class SocketFile: Sendable {
    let path: String
    /// The listening socket, non-blocking.
    let descriptor: Int32
    private let lock: Int32
    private let isRemoved = Atomic(false)

    /// Makes the folder (0700) when it is missing, and the socket (0600).
    init(path: String) throws(LocalServerError) {
        guard path.utf8.count <= LocalLimits.socketPath else { throw .pathTooLong(path: path) }
        self.path = path
        try Self.makeFolder(of: path)
        lock = try Self.takeLock(path)
        do throws(LocalServerError) {
            try Self.removeStale(path)
            descriptor = try Self.listen(path)
        } catch {
            close(lock)
            throw error
        }
    }

    deinit { remove() }

    /// Takes the path away from clients and gives it up; nobody may watch the descriptor any more. Again does nothing.
    func remove() {
        guard !isRemoved.exchange(true, ordering: .acquiringAndReleasing) else { return }
        unlink(path)
        close(descriptor)
        close(lock)
    }

    private static func makeFolder(of path: String) throws(LocalServerError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let folder = String(path[..<slash])
        if mkdir(folder, 0o700) != 0, errno != EEXIST {
            throw .failed(path: path, reason: "can't make the folder \(folder): \(SocketIO.text(errno))")
        }
    }

    private static func takeLock(_ path: String) throws(LocalServerError) -> Int32 {
        let descriptor = mx_open("\(path).lock", O_RDWR | O_CREAT, 0o600)
        guard descriptor >= 0 else {
            throw .failed(path: path, reason: "can't open \(path).lock: \(SocketIO.text(errno))")
        }
        guard mx_lock_file(descriptor) == 0 else {
            let code = errno
            let owner = ownerNumber(descriptor)
            close(descriptor)
            if code == EAGAIN { throw .inUse(path: path, owner: owner) }
            throw .failed(path: path, reason: "can't lock \(path).lock: \(SocketIO.text(code))")
        }
        let text = "\(getpid())\n"
        // Only for the message above: without it, the message says less.
        if ftruncate(descriptor, 0) == 0 { pwrite(descriptor, text, text.utf8.count, 0) }
        return descriptor
    }

    private static func ownerNumber(_ descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return Int(String(decoding: bytes.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    private static func removeStale(_ path: String) throws(LocalServerError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        guard Glibc.unlink(path) == 0 || errno == ENOENT else {
            throw .failed(path: path, reason: "can't remove what a dead process left: \(SocketIO.text(errno))")
        }
    }

    private static func listen(_ path: String) throws(LocalServerError) -> Int32 {
        do throws(SocketIO.Failure) {
            let descriptor = try UnixSocket.make()
            // Linux makes the file with the socket's own mode, so it is never open to others; chmod is for other kernels.
            let made =
                fchmod(descriptor, 0o600) == 0 && UnixSocket.bind(descriptor, to: path) == 0 && chmod(path, 0o600) == 0
                && mx_set_nonblocking(descriptor, 1) == 0 && Glibc.listen(descriptor, LocalLimits.backlog) == 0
            guard made else {
                let code = errno
                close(descriptor)
                throw .failed(code)
            }
            return descriptor
        } catch {
            guard case .failed(let code) = error else { preconditionFailure("nothing here waits") }
            throw .failed(path: path, reason: SocketIO.text(code))
        }
    }
}
