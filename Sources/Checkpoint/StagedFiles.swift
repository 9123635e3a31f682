import CLinux
import Glibc
import Records

/// The files of a manifest in a staging folder, at their final sizes, each open for writing and for reading.
struct StagedFiles: Sendable {
    /// One for each storage.
    let writing: [OpenFile]
    /// One for each storage, opened read-only, so that it can be passed on.
    let reading: [OpenFile]
    /// The content folder and all folders below it.
    private let folders: [OpenFile]

    /// - Parameter content: an empty folder, or one with files of the same storages.
    static func open(_ storages: [Storage], in content: OpenFile) throws(CheckpointError) -> StagedFiles {
        var opened = Opened(content)
        for storage in storages { try opened.add(storage) }
        return StagedFiles(writing: opened.writing, reading: opened.reading, folders: opened.folders)
    }

    /// Reserves the space of all files, so that a full disk shows before anything is fetched.
    func reserve(_ storages: [Storage], free: () -> UInt64, at path: String) throws(CheckpointError) {
        let needed = storages.reduce(UInt64(0)) { $0 + $1.size }
        for (file, storage) in zip(writing, storages) {
            if let code = Self.reserve(file, size: storage.size, isThereSpace: { needed <= free() }) {
                guard [ENOSPC, EDQUOT, EFBIG].contains(code) else {
                    throw .failed("reserve space for", file.path, code: code)
                }
                throw .noSpace(path: path, needed: needed, free: free(), code: code)
            }
        }
    }

    /// Gives the file its size with blocks behind it; nil, or the error's number.
    private static func reserve(_ file: OpenFile, size: UInt64, isThereSpace: () -> Bool) -> Int32? {
        guard size <= UInt64(off_t.max) else { return EFBIG }
        guard ftruncate(file.descriptor, off_t(size)) == 0 else { return mx_errno() }
        guard size > 0 else { return nil }
        var code: Int32
        repeat { code = posix_fallocate(file.descriptor, 0, off_t(size)) } while code == EINTR
        switch code {
        case 0: return nil
        // File systems that can't reserve: the size alone, if the space looks sufficient.
        case EOPNOTSUPP, ENOSYS, EINVAL: return isThereSpace() ? nil : ENOSPC
        default: return code
        }
    }

    /// Makes files and folders durable.
    func synchronise() throws(CheckpointError) {
        for file in writing + folders.reversed() {
            guard fsync(file.descriptor) == 0 else { throw .failed("save", file.path) }
        }
    }

    /// Files as they are opened, with the folders on the way to the last one still open.
    private struct Opened {
        var writing: [OpenFile] = []
        var reading: [OpenFile] = []
        /// The content folder, and each folder below it after the one it is in.
        var folders: [OpenFile]
        /// Places in `folders` by relative path, as bytes: Unicode takes different names for equal.
        private var places: [[UInt8]: Int] = [[]: 0]

        init(_ content: OpenFile) { folders = [content] }

        mutating func add(_ storage: Storage) throws(CheckpointError) {
            let components = Paths.components(storage.name)
            let folder = try openFolder(components.dropLast())
            let name = components[components.count - 1]
            let file = try folder.open(name, O_RDWR | O_CREAT, mode: 0o666)
            guard try file.status().isFile else { throw .stagingNotOurs(path: file.path) }
            writing.append(file)
            reading.append(try folder.open(name, O_RDONLY))
        }

        private mutating func openFolder(_ path: ArraySlice<String>) throws(CheckpointError) -> OpenFile {
            let key = Array(path.joined(separator: "/").utf8)
            if let place = places[key] { return folders[place] }
            let parent = try openFolder(path.dropLast())
            let folder = try StagingFolder.openFolder(path[path.endIndex - 1], in: parent)
            places[key] = folders.count
            folders.append(folder)
            return folder
        }
    }
}
