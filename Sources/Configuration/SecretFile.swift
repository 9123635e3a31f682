import CLinux
import Glibc

/// Small files that hold secrets: written whole or not at all, mode 0600.
package enum SecretFile {
    /// A key or token is a few hundred bytes; anything larger is something else.
    private static let sizeLimit = 64 * 1024

    /// Writes beside the final name and renames, so that a crash leaves the old file or the new one.
    ///
    /// - Parameter isNew: a file that is there already is left alone, also when two write at once: `exists` is thrown.
    package static func write(_ text: String, to path: String, isNew: Bool = false) throws(ConfigurationError) {
        let temporary = "\(path).\(getpid()).new"
        let descriptor = mx_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unwritable(path: path, reason: errorText()) }
        let bytes = Array(text.utf8)
        let written = Glibc.write(descriptor, bytes, bytes.count)
        let isSynced = fsync(descriptor) == 0
        close(descriptor)
        guard written == bytes.count, isSynced, (isNew ? link(temporary, path) : rename(temporary, path)) == 0 else {
            let (isThere, reason) = (errno == EEXIST, errorText())
            unlink(temporary)
            if isNew, isThere { throw .exists(path: path, advice: "it is never overwritten") }
            throw .unwritable(path: path, reason: reason)
        }
        if isNew { unlink(temporary) }
    }

    /// - Parameter isPrivate: refuse a file that others may read.
    package static func read(_ path: String, isPrivate: Bool) throws(ConfigurationError) -> String {
        let descriptor = mx_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: errorText()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, reason: errorText()) }
        if isPrivate, status.st_mode & 0o077 != 0 {
            throw .exposed(path: path, mode: String(status.st_mode & 0o777, radix: 8))
        }
        var bytes = [UInt8](repeating: 0, count: sizeLimit + 1)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(path: path, reason: errorText()) }
        guard count <= sizeLimit, let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw .malformed(path: path, what: "a key or token")
        }
        return text
    }

    static func errorText() -> String { String(cString: strerror(errno)) }
}
