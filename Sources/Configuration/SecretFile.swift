import CLinux
import Glibc

/// Small files, most of which hold secrets: written whole or not at all, mode 0600 unless another is asked for.
package enum SecretFile {
    /// A key or token is a few hundred bytes; anything larger is something else.
    package static let sizeLimit = 64 * 1024
    private static let pieceSize = 64 * 1024

    /// Writes beside the final name and renames, so that a crash leaves the old file or the new one.
    ///
    /// - Parameter isNew: a file that is there already is left alone, also when two write at once: `exists` is thrown.
    package static func write(
        _ text: String, to path: String, isNew: Bool = false, mode: UInt32 = 0o600
    ) throws(ConfigurationError) {
        let temporary = "\(path).\(getpid()).new"
        let descriptor = mx_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .unwritable(path: path, reason: errorText()) }
        let isWritten = writeAll(Array(text.utf8), to: descriptor) && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, (isNew ? link(temporary, path) : rename(temporary, path)) == 0 else {
            let (isThere, reason) = (errno == EEXIST, errorText())
            unlink(temporary)
            if isNew, isThere { throw .exists(path: path, advice: "it is never overwritten") }
            throw .unwritable(path: path, reason: reason)
        }
        if isNew { unlink(temporary) }
    }

    /// - Parameters:
    ///   - isPrivate: refuse a file that others may read.
    ///   - sizeLimit: a longer file is refused, bytes.
    package static func read(
        _ path: String, isPrivate: Bool, sizeLimit: Int = sizeLimit
    ) throws(ConfigurationError) -> String {
        let descriptor = mx_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: errorText()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, reason: errorText()) }
        if isPrivate, status.st_mode & 0o077 != 0 {
            throw .exposed(path: path, mode: String(status.st_mode & 0o777, radix: 8))
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: pieceSize)
        while bytes.count <= sizeLimit {
            let count = Glibc.read(descriptor, &piece, piece.count)
            guard count >= 0 else { throw .unreadable(path: path, reason: errorText()) }
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        guard bytes.count <= sizeLimit, let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformed(path: path, what: "a key or token")
        }
        return text
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    static func errorText() -> String { String(cString: strerror(errno)) }
}
