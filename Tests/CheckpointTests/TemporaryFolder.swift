import CLinux
import Glibc
import Testing

/// A folder of one test, removed with everything in it when the test ends.
final class TemporaryFolder {
    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ what: String) { description = "\(what): \(String(cString: strerror(mx_errno())))" }
    }

    /// Real path.
    let path: String

    init() throws {
        var template = Array("/tmp/modelexpress-test.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure("mkdtemp") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit { Self.remove(path) }

    func makeFolder(_ name: String) throws {
        var made = path
        for part in name.split(separator: "/") {
            made += "/\(part)"
            guard mkdir(made, 0o755) == 0 || mx_errno() == EEXIST else { throw Failure("mkdir \(made)") }
        }
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        if let slash = name.lastIndex(of: "/") { try makeFolder(String(name[..<slash])) }
        let descriptor = mx_open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { throw Failure("open \(name)") }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done)
            }
            guard count > 0 else { throw Failure("write \(name)") }
            done += count
        }
    }

    func link(_ name: String, to target: String) throws {
        if let slash = name.lastIndex(of: "/") { try makeFolder(String(name[..<slash])) }
        guard symlink(target, "\(path)/\(name)") == 0 else { throw Failure("symlink \(name)") }
    }

    func truncate(_ name: String, to size: Int) throws {
        guard Glibc.truncate("\(path)/\(name)", off_t(size)) == 0 else { throw Failure("truncate \(name)") }
    }

    /// Makes a file look as if it had been written `seconds` ago.
    func age(_ name: String, seconds: Int) throws {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        now.tv_sec -= seconds
        guard utimensat(AT_FDCWD, "\(path)/\(name)", [now, now], 0) == 0 else { throw Failure("utimensat \(name)") }
    }

    func read(_ name: String) throws -> [UInt8] {
        let descriptor = mx_open("\(path)/\(name)", O_RDONLY, 0)
        guard descriptor >= 0 else { throw Failure("open \(name)") }
        defer { close(descriptor) }
        return Self.readAll(descriptor)
    }

    func exists(_ name: String) -> Bool {
        var status = stat()
        return lstat("\(path)/\(name)", &status) == 0
    }

    func mode(_ name: String) -> mode_t {
        var status = stat()
        return lstat("\(path)/\(name)", &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    /// Sorted, dot files too.
    func entries(_ name: String = ".") -> [String] { Self.entries("\(path)/\(name)") }

    static func readAll(_ descriptor: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = pread(descriptor, &buffer, buffer.count, off_t(bytes.count))
            guard count > 0 else { return bytes }
            bytes += buffer.prefix(count)
        }
    }

    private static func entries(_ folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            let text = String(decoding: name, as: UTF8.self)
            if text != ".", text != ".." { names.append(text) }
        }
        return names.sorted()
    }

    private static func remove(_ path: String) {
        if unlink(path) == 0 || mx_errno() != EISDIR { return }
        for entry in entries(path) { remove("\(path)/\(entry)") }
        rmdir(path)
    }
}
