import CLinux
import Glibc
package import Records
import Transfer

/// A folder of model files, opened to be served: its layout, its tensors and one read-only descriptor for each file.
///
/// Every file stays open as long as the object lives, so that what was digested is what is served, whatever happens to names.
/// Nothing is mapped: a mapped file that somebody truncates ends the process.
package final class CheckpointFolder: StorageContent {
    package let layout: Layout
    /// In the order of files, and of the data in each file.
    package let tensors: [Tensor]
    /// `--name`, else the name on the hub, else the folder's.
    package let model: String
    /// `--revision`, else the hub's; nil when only the content can tell, see `digest`.
    package let revision: String?
    /// The folder's real path.
    package let path: String
    /// What was left out and why, for people.
    package let notes: [String]
    let files: [OpenFile]
    /// As the files were when they were opened.
    let statuses: [FileStatus]

    /// Opens a folder, or one file as a folder of its own.
    ///
    /// - Parameter chunkSize: bytes, the same throughout a cluster.
    /// - Throws: what is wrong with the folder; then nothing stays open.
    package static func open(
        path: String, name: String? = nil, revision: String? = nil,
        chunkSize: UInt64 = ManifestLimits.defaultChunkSize
    ) throws(CheckpointError) -> CheckpointFolder {
        let place = try Place(path)
        let hub = HubSnapshot(folder: place.folder)
        var walk = FolderWalk(allowedRoots: [place.folder, hub?.blobs].compactMap(\.self))
        if let file = place.file { try walk.visit(file, in: place.folder) } else { try walk.walk(place.folder) }
        guard !walk.files.isEmpty else { throw .noFiles(path: path) }
        let model = name ?? hub?.model ?? place.title
        try checkIdentity("name", model)
        if let revision = revision ?? hub?.revision { try checkIdentity("revision", revision) }
        return try CheckpointFolder(
            walk, path: place.folder, model: model, revision: revision ?? hub?.revision, chunkSize: chunkSize)
    }

    private init(
        _ walk: FolderWalk, path: String, model: String, revision: String?, chunkSize: UInt64
    ) throws(CheckpointError) {
        let found = walk.files.sorted { Layout.precedes($0.name, $1.name) }
        do throws(WireError) {
            layout = try Layout(
                storages: found.map { Storage(name: $0.name, size: $0.status.size) }, chunkSize: chunkSize)
        } catch { throw .content(error) }
        tensors = try TensorTable.read(found)
        self.model = model
        self.revision = revision
        self.path = path
        notes = walk.notes
        files = found.map(\.file)
        statuses = found.map(\.status)
    }

    package func readDescriptor(forStorage index: Int) -> Int32 { files[index].descriptor }

    /// Every file must be as it was when it was opened.
    func checkUnchanged() throws(CheckpointError) {
        for (file, before) in zip(files, statuses) {
            let now = try file.status()
            guard now.size >= before.size else { throw .shrank(file: file.path) }
            guard now.isSameVersion(as: before) else { throw .changed(file: file.path) }
        }
    }

    private static func checkIdentity(_ field: String, _ value: String) throws(CheckpointError) {
        guard !value.isEmpty else { throw .badIdentity(field: field, value: value, reason: "is empty") }
        guard value.utf8.count <= WireLimits.name else {
            throw .badIdentity(field: field, value: value, reason: "has over \(WireLimits.name) bytes")
        }
        guard !Paths.hasControlCharacters(value) else {
            throw .badIdentity(field: field, value: value, reason: "contains control characters")
        }
    }

    /// What a path names: a folder, or one file in a folder.
    private struct Place {
        /// Real path.
        let folder: String
        let file: String?
        /// The last component of the path as it was given, where that is a name.
        private let given: String

        init(_ path: String) throws(CheckpointError) {
            given = Paths.lastComponent(path)
            guard let real = Paths.real(path) else {
                let code = mx_errno()
                if code == ENOENT, FileStatus.of(path) == nil { throw .notFound(path: path) }
                if code == ENOENT { throw .brokenLink(link: path, target: Paths.target(ofLink: path)) }
                throw .failed("open", path, code: code)
            }
            if FileStatus.of(real)?.isFolder == true {
                guard !HubSnapshot.isCacheEntry(real) else { throw .hubCacheEntry(path: real) }
                folder = real
                file = nil
                return
            }
            // The file keeps the name it was given by, since a cache's own names mean nothing.
            let parent = Paths.folderPart(path)
            guard let folder = Paths.real(parent.isEmpty ? "." : parent) else { throw .failed("open", parent) }
            self.folder = folder
            file = Paths.lastComponent(path)
        }

        /// What people would call it.
        var title: String {
            guard let file else {
                // A link is named for what it stands for, and its target may be called anything.
                return ["", ".", ".."].contains(given) ? Paths.lastComponent(folder) : given
            }
            let suffix = TensorTable.suffix
            return file.hasSuffix(suffix) && file.count > suffix.count ? String(file.dropLast(suffix.count)) : file
        }
    }
}
