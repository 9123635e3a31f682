import CLinux
import Glibc
import Records

/// The folder that one pull writes to until it is complete: mode 0700, beside the destination, so that one rename puts its
/// content in place.
///
///     .NAME.modelexpress-partial/lock       held while a pull is at work
///     .NAME.modelexpress-partial/finished   which chunks of which manifest are there (`ResumeLog`)
///     .NAME.modelexpress-partial/content/   the files, under their final names
final class StagingFolder: Sendable {
    private static let lockName = "lock"
    static let logName = "finished"
    private static let contentName = "content"
    /// How often another pull may take the folder away between our making it and our locking it.
    private static let attempts = 8

    let destination: Destination
    let folder: OpenFile
    private let parent: OpenFile
    /// Its open file carries the lock, which ends with it.
    private let lock: OpenFile

    /// Makes the folder, or takes up one that a pull left behind.
    ///
    /// - Throws: `stagingInUse` when another pull holds it.
    static func open(for destination: Destination) throws(CheckpointError) -> StagingFolder {
        let parent = try OpenFile.open(destination.parent, O_RDONLY | O_DIRECTORY)
        for _ in 0..<attempts {
            if let staging = try attempt(destination, parent) { return staging }
        }
        throw .stagingInUse(path: destination.stagingPath)
    }

    /// Nil when another pull removed the folder meanwhile.
    private static func attempt(_ destination: Destination, _ parent: OpenFile) throws(CheckpointError)
        -> StagingFolder?
    {
        let path = destination.stagingPath
        guard mkdirat(parent.descriptor, destination.stagingName, 0o700) == 0 || mx_errno() == EEXIST else {
            throw .failed("make the folder", path)
        }
        guard let status = FileStatus.of(path) else { return nil }
        guard status.isFolder, status.isOursAlone else { throw .stagingNotOurs(path: path) }
        let lock: OpenFile
        let folder: OpenFile
        do throws(CheckpointError) {
            folder = try parent.open(destination.stagingName, O_RDONLY | O_DIRECTORY)
            lock = try folder.open(lockName, O_RDWR | O_CREAT, mode: 0o600)
        } catch {
            if case .system(_, _, ENOENT) = error { return nil }
            throw error
        }
        guard mx_lock_file(lock.descriptor) == 0 else {
            if [EAGAIN, EACCES].contains(mx_errno()) { throw .stagingInUse(path: path) }
            throw .failed("lock", lock.path)
        }
        // The pull that held the lock may have removed the folder before it let go.
        guard FileStatus.of("\(path)/\(lockName)")?.inode == (try lock.status()).inode else { return nil }
        return StagingFolder(destination, parent: parent, folder: folder, lock: lock)
    }

    private init(_ destination: Destination, parent: OpenFile, folder: OpenFile, lock: OpenFile) {
        self.destination = destination
        self.parent = parent
        self.folder = folder
        self.lock = lock
    }

    /// The folder of the files, made when it isn't there. Its modes are the final ones; nobody else gets as far as to it.
    func openContent() throws(CheckpointError) -> OpenFile { try Self.openFolder(Self.contentName, in: folder) }

    func removeContent() throws(CheckpointError) { try FolderRemoval.remove(Self.contentName, in: folder) }

    /// Makes and opens one folder; a link in its place is an error.
    static func openFolder(_ name: String, in folder: OpenFile) throws(CheckpointError) -> OpenFile {
        guard mkdirat(folder.descriptor, name, 0o777) == 0 || mx_errno() == EEXIST else {
            throw .failed("make the folder", "\(folder.path)/\(name)")
        }
        return try folder.open(name, O_RDONLY | O_DIRECTORY)
    }

    /// Puts the content in place of the destination at once, durably, and removes the rest.
    func moveIntoPlace() throws(CheckpointError) {
        let path = destination.path
        guard renameat(folder.descriptor, Self.contentName, parent.descriptor, destination.name) == 0 else {
            switch mx_errno() {
            case ENOTEMPTY, EEXIST: throw .destinationNotEmpty(path: path)
            case ENOTDIR: throw .destinationNotFolder(path: path)
            case EBUSY, EXDEV: throw .destinationIsMount(path: path)
            case let code: throw .failed("put in place", path, code: code)
            }
        }
        guard fsync(parent.descriptor) == 0 else { throw .failed("save the folder", destination.parent) }
        try remove()
    }

    func remove() throws(CheckpointError) { try FolderRemoval.remove(destination.stagingName, in: parent) }

    /// Bytes that this user may still write beside the destination.
    func freeBytes() -> UInt64 {
        var status = statvfs()
        guard fstatvfs(folder.descriptor, &status) == 0 else { return 0 }
        return UInt64(status.f_bavail) &* UInt64(status.f_frsize)
    }
}

/// Removes folders with everything in them, and never what a link in them leads to.
enum FolderRemoval {
    /// What isn't there counts as removed.
    static func remove(_ name: String, in parent: OpenFile) throws(CheckpointError) {
        if unlinkat(parent.descriptor, name, 0) == 0 || mx_errno() == ENOENT { return }
        let path = "\(parent.path)/\(name)"
        guard [EISDIR, EPERM].contains(mx_errno()) else { throw .failed("remove", path) }
        let folder = try parent.open(name, O_RDONLY | O_DIRECTORY)
        // Its entries are listed through the descriptor, so that nobody can put another folder in its place.
        for entry in try Paths.entries(of: "/proc/self/fd/\(folder.descriptor)", limit: ManifestLimits.files) {
            try remove(String(decoding: entry, as: UTF8.self), in: folder)
        }
        guard unlinkat(parent.descriptor, name, AT_REMOVEDIR) == 0 || mx_errno() == ENOENT else {
            throw .failed("remove", path)
        }
    }
}
