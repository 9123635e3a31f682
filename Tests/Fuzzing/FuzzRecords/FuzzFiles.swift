import CLinux
import Glibc

/// Small files, read and written whole.
package enum FuzzFiles {
    /// Inputs over this are no fuzz inputs, bytes.
    private static let largest = 64 << 20

    /// What the last call that failed has to say.
    static var reason: String { String(cString: strerror(mx_errno())) }

    /// Nil when it can't be read or is too large.
    package static func read(_ path: String) -> [UInt8]? {
        let descriptor = mx_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= largest {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer.prefix(count))
        }
        return nil
    }

    static func write(_ bytes: [UInt8], to path: String) -> Bool {
        let descriptor = mx_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return Glibc.write(descriptor, bytes, bytes.count) == bytes.count
    }

    static func makeFolders(_ path: String) -> Bool {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += "\(part)/"
            guard mkdir(made, 0o755) == 0 || mx_errno() == EEXIST else { return false }
        }
        return true
    }

    /// Names of the entries of a folder, sorted; none when there is no such folder.
    package static func list(_ folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}
