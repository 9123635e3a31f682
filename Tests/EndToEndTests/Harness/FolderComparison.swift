import CLinux
import Glibc

/// Compares a pulled folder with its source byte by byte.
enum FolderComparison {
    /// Compared at once.
    private static let blockSize = 1 << 20

    /// What differs, a sentence each; empty when every file is the same. Links in the source count as what they lead to;
    /// hidden files of the source aren't served, and in the copy they are too much.
    static func differences(source: String, copy: String) async throws -> [String] {
        try await onOwnThread {
            let original = files(in: source).filter { !$0.split(separator: "/").contains { $0.hasPrefix(".") } }
            let copied = files(in: copy)
            var found: [String] = []
            for name in Set(original).union(copied).sorted() {
                if !copied.contains(name) {
                    found.append("\(name) is missing")
                } else if !original.contains(name) {
                    found.append("\(name) is too much")
                } else if let difference = try difference("\(source)/\(name)", "\(copy)/\(name)") {
                    found.append("\(name) \(difference)")
                }
            }
            return found
        }
    }

    /// Relative paths of all regular files.
    static func files(in folder: String) -> [String] {
        Files.names(in: folder).flatMap { name -> [String] in
            var status = stat()
            guard stat("\(folder)/\(name)", &status) == 0 else { return ["\(name) (broken)"] }
            guard status.st_mode & S_IFMT == S_IFDIR else { return [name] }
            return files(in: "\(folder)/\(name)").map { "\(name)/\($0)" }
        }
    }

    private static func difference(_ left: String, _ right: String) throws -> String? {
        let paths: [String] = [left, right]
        let descriptors = paths.map { mx_open($0, O_RDONLY, 0) }
        defer { for descriptor in descriptors where descriptor >= 0 { close(descriptor) } }
        guard descriptors.allSatisfy({ $0 >= 0 }) else { throw Files.failure("open", "\(left) or \(right)") }
        let sizes = descriptors.map { lseek($0, 0, SEEK_END) }
        guard sizes[0] == sizes[1] else { return "has \(sizes[1]) bytes, not \(sizes[0])" }
        var buffers = [0, 1].map { _ in [UInt8](repeating: 0, count: blockSize) }
        var offset: off_t = 0
        while offset < sizes[0] {
            let counts = [0, 1].map { pread(descriptors[$0], &buffers[$0], blockSize, offset) }
            guard counts[0] > 0, counts[0] == counts[1], memcmp(buffers[0], buffers[1], counts[0]) == 0 else {
                return "differs between bytes \(offset) and \(offset + off_t(blockSize))"
            }
            offset += off_t(counts[0])
        }
        return nil
    }
}
