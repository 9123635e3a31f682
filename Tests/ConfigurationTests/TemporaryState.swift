import Configuration
import Glibc
import Testing

/// A state folder of its own, gone at the end.
final class TemporaryState: Sendable {
    let state: StateDirectory
    private let root: String

    init() throws {
        var template = Array("/tmp/mx-configuration-XXXXXX".utf8CString)
        root = String(cString: try #require(mkdtemp(&template)))
        state = StateDirectory(path: "\(root)/state")
    }

    deinit { Self.removeAll(root) }

    func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    private static func removeAll(_ path: String) {
        guard let folder = opendir(path) else {
            unlink(path)
            return
        }
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { removeAll("\(path)/\(name)") }
        }
        closedir(folder)
        rmdir(path)
    }
}
