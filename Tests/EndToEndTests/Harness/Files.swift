import CLinux
import Glibc

/// File system calls of tests. All block: call them through `onOwnThread` when there is much to do.
enum Files {
    static func makeFolder(_ path: String) throws {
        var partial = ""
        for part in path.split(separator: "/") {
            partial += "/\(part)"
            guard mkdir(partial, 0o755) == 0 || errno == EEXIST else { throw failure("make", partial) }
        }
    }

    static func makeTemporaryFolder() throws -> String {
        var template = Array("\(Programs.environment("TMPDIR") ?? "/tmp")/mx-e2e.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw failure("make", "a temporary folder") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func write(_ bytes: some Collection<UInt8>, to path: String) throws {
        let descriptor = mx_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { throw failure("write", path) }
        defer { close(descriptor) }
        try append(Array(bytes)[...], to: descriptor, path)
    }

    static func append(_ bytes: ArraySlice<UInt8>, to descriptor: Int32, _ path: String) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure("write", path) }
            rest = rest.dropFirst(count)
        }
    }

    static func link(_ path: String, to target: String) throws {
        guard symlink(target, path) == 0 else { throw failure("link", path) }
    }

    static func rename(_ path: String, to other: String) throws {
        guard Glibc.rename(path, other) == 0 else { throw failure("rename", path) }
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Names in a folder, in order; none when there is no such folder.
    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a folder with everything in it, following no link.
    static func remove(_ path: String) {
        guard unlink(path) != 0, errno == EISDIR || errno == EPERM else { return }
        for name in names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }

    static func text(of path: String) -> String? {
        let descriptor = mx_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func failure(_ action: String, _ path: String) -> Unmet {
        Unmet("can't \(action) \(path): \(String(cString: strerror(errno)))")
    }
}
