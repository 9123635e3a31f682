import CLinux
import Glibc
import Records

/// Finds and opens the files of a folder: regular files, dot files and dot folders left out, links followed only to inside
/// the given roots.
struct FolderWalk {
    /// Folders inside each other, links to folders included.
    static let depthLimit = 32

    struct Found {
        /// Relative path, `/` between components.
        let name: String
        let file: OpenFile
        let status: FileStatus
    }

    /// Real paths.
    private let allowedRoots: [String]
    private(set) var files: [Found] = []
    /// What was left out and why, for people.
    private(set) var notes: [String] = []
    private var entryCount = 0

    init(allowedRoots: [String]) { self.allowedRoots = allowedRoots }

    /// Takes everything in `folder`, a real path. `ancestors` are the real paths of the folders that led here.
    mutating func walk(_ folder: String, prefix: String = "", ancestors: [String] = []) throws(CheckpointError) {
        guard ancestors.count < Self.depthLimit else { throw .tooDeep(path: folder, limit: Self.depthLimit) }
        for entry in try Paths.entries(of: folder, limit: ManifestLimits.files) {
            entryCount += 1
            guard entryCount <= ManifestLimits.files else {
                throw .tooManyFiles(path: allowedRoots.first ?? folder, limit: ManifestLimits.files)
            }
            guard entry.first != UInt8(ascii: ".") else { continue }
            try visit(try Self.name(entry, in: folder), in: folder, prefix: prefix, ancestors: ancestors + [folder])
        }
    }

    /// Takes the file or folder `name` of `folder`.
    mutating func visit(
        _ name: String, in folder: String, prefix: String = "", ancestors: [String] = []
    ) throws(CheckpointError) {
        let path = folder == "/" ? "/\(name)" : "\(folder)/\(name)"
        guard let status = FileStatus.of(path) else { throw .failed("look at", path) }
        guard status.isLink else { return try take(path, status, as: prefix + name, ancestors: ancestors) }
        let resolved = try resolve(path)
        guard let behind = FileStatus.of(resolved) else { throw .failed("look at", resolved) }
        if behind.isFolder, ancestors.contains(where: { $0.utf8.elementsEqual(resolved.utf8) }) {
            throw .linkLoop(link: path)
        }
        try take(resolved, behind, as: prefix + name, ancestors: ancestors)
    }

    private mutating func take(
        _ path: String, _ status: FileStatus, as name: String, ancestors: [String]
    ) throws(CheckpointError) {
        guard name.utf8.count <= WireLimits.name else {
            throw .badName(path: name, reason: "its path has over \(WireLimits.name) bytes")
        }
        if status.isFolder { return try walk(path, prefix: name + "/", ancestors: ancestors) }
        guard status.isFile else { return notes.append("left out \(Quoted(name)): not a regular file") }
        let file = try OpenFile.open(path, O_RDONLY)
        // Through the descriptor: the name may lead elsewhere by now.
        let opened = try file.status()
        guard opened.isFile else { throw .changed(file: path) }
        files.append(Found(name: name, file: file, status: opened))
    }

    private func resolve(_ link: String) throws(CheckpointError) -> String {
        guard let resolved = Paths.real(link) else {
            switch mx_errno() {
            case ENOENT: throw .brokenLink(link: link, target: Paths.target(ofLink: link))
            case ELOOP: throw .linkLoop(link: link)
            case let code: throw .failed("follow the link", link, code: code)
            }
        }
        guard allowedRoots.contains(where: { Paths.isSame(resolved, orInside: $0) }) else {
            throw .escapingLink(link: link, target: resolved)
        }
        return resolved
    }

    private static func name(_ bytes: [UInt8], in folder: String) throws(CheckpointError) -> String {
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw .badName(path: "\(folder)/\(String(decoding: bytes, as: UTF8.self))", reason: "it is not UTF-8")
        }
        guard !Paths.hasControlCharacters(name) else {
            throw .badName(path: "\(folder)/\(name)", reason: "it contains control characters")
        }
        return name
    }
}
