import CLinux
import Glibc

/// Questions about paths, answered by the file system and by bytes: Swift's own comparison of strings takes different bytes
/// for equal when Unicode does, and the file system doesn't.
enum Paths {
    /// The path without links, `.` and `..`; nil with errno set when something on the way is missing.
    static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Both must be real paths.
    static func isSame(_ path: String, orInside folder: String) -> Bool {
        path.utf8.elementsEqual(folder.utf8) || path.utf8.starts(with: (folder == "/" ? "/" : folder + "/").utf8)
    }

    /// What a link says, for people.
    static func target(ofLink path: String) -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { target in
            target.baseAddress.map { readlink(path, $0, target.count) } ?? 0
        }
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    /// The parts between slashes, empty ones left out. By bytes: a slash with a combining mark is still a slash.
    static func components(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    }

    static func lastComponent(_ path: String) -> String { components(path).last ?? "" }

    /// Everything up to the last slash, with it; empty when there is none.
    static func folderPart(_ path: String) -> String {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        return String(Substring(bytes[...slash]))
    }

    static func isAbsolute(_ path: String) -> Bool { path.utf8.first == UInt8(ascii: "/") }

    /// Names in a folder without `.` and `..`, as bytes and in their order, at most `limit` + 1.
    static func entries(of folder: String, limit: Int) throws(CheckpointError) -> [[UInt8]] {
        guard let stream = opendir(folder) else { throw .failed("read the folder", folder) }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while names.count <= limit, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")], name != [UInt8](repeating: UInt8(ascii: "."), count: 2) {
                names.append(name)
            }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    static func hasControlCharacters(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }
}
