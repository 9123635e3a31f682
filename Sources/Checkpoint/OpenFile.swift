import CLinux
import Glibc

/// A descriptor with its owner: closed when the last reference goes.
final class OpenFile: Sendable {
    let descriptor: Int32
    /// What errors call it.
    let path: String

    private init(_ descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Opens close-on-exec and never through a link in the last component. `O_NONBLOCK` keeps a FIFO that took the place of
    /// a file from blocking us; it changes nothing for files and folders.
    static func open(_ path: String, _ flags: Int32) throws(CheckpointError) -> OpenFile {
        let descriptor = mx_open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0)
        guard descriptor >= 0 else { throw .failed("open", path) }
        return OpenFile(descriptor, path: path)
    }

    /// Opens one component below this folder, by the same rules.
    func open(_ component: String, _ flags: Int32, mode: mode_t = 0) throws(CheckpointError) -> OpenFile {
        let path = "\(self.path)/\(component)"
        let descriptor = mx_open_at(self.descriptor, component, flags | O_NOFOLLOW | O_NONBLOCK, mode)
        guard descriptor >= 0 else { throw .failed("open", path) }
        return OpenFile(descriptor, path: path)
    }

    func status() throws(CheckpointError) -> FileStatus {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .failed("look at", path) }
        return FileStatus(status)
    }

    /// Fills the buffer from `offset`; the file ending before that is an error.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(CheckpointError) {
        var done = 0
        while done < buffer.count {
            let count = pread(
                descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset) + off_t(done))
            if count < 0, mx_errno() == EINTR { continue }
            guard count >= 0 else { throw .failed("read", path) }
            guard count > 0 else { throw .shrank(file: path) }
            done += count
        }
    }

    func bytes(at offset: UInt64, count: Int) throws(CheckpointError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBufferPointer { (buffer) throws(CheckpointError) in
            try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
        return bytes
    }

    /// Writes the whole buffer at `offset`.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(CheckpointError) {
        var done = 0
        while done < buffer.count {
            let count = pwrite(
                descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset) + off_t(done))
            if count < 0, mx_errno() == EINTR { continue }
            guard count >= 0 else { throw .failed("write", path) }
            done += count
        }
    }
}

/// What tells one version of a file from another.
struct FileStatus: Hashable, Sendable {
    let size: UInt64
    /// Nanoseconds since 1970.
    let modified: Int64
    let inode: UInt64
    let device: UInt64
    let owner: uid_t
    let mode: mode_t

    init(_ status: stat) {
        size = UInt64(max(0, status.st_size))
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        inode = UInt64(status.st_ino)
        device = UInt64(status.st_dev)
        owner = status.st_uid
        mode = status.st_mode
    }

    /// Of the thing itself, also when it is a link. Nil when there is none or it can't be seen.
    static func of(_ path: String) -> FileStatus? {
        var status = stat()
        return lstat(path, &status) == 0 ? FileStatus(status) : nil
    }

    var kind: mode_t { mode & S_IFMT }
    var isFile: Bool { kind == S_IFREG }
    var isFolder: Bool { kind == S_IFDIR }
    var isLink: Bool { kind == S_IFLNK }

    /// Whether only its owner, this user, may write to it.
    var isOursAlone: Bool { owner == geteuid() && mode & 0o022 == 0 }

    func isSameVersion(as other: FileStatus) -> Bool {
        size == other.size && modified == other.modified && inode == other.inode && device == other.device
    }
}
