import CLinux
import Glibc
import Records
import Transfer

/// A folder under the system's temporary one that goes with its last reference.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/mxlane-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure("mkdtemp: errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { remove(path + "/" + name) }
            }
            closedir(folder)
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Files of given contents in a folder, opened to be served.
final class FileContent: StorageContent {
    let layout: Layout
    /// All files end to end.
    let bytes: [UInt8]
    private let folder: String
    private let descriptors: [Int32]

    init(_ files: [[UInt8]], chunkSize: UInt64, in folder: String, flags: Int32 = O_RDONLY) throws {
        var descriptors: [Int32] = []
        var storages: [Storage] = []
        for (index, content) in files.enumerated() {
            let name = Self.name(index)
            let created = mx_open(folder + "/" + name, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
            guard created >= 0, write(created, content, content.count) == content.count else {
                throw TestFailure("can't write \(name): errno \(errno)")
            }
            close(created)
            descriptors.append(mx_open(folder + "/" + name, flags, 0))
            storages.append(Storage(name: name, size: UInt64(content.count)))
        }
        self.folder = folder
        self.descriptors = descriptors
        bytes = files.flatMap { $0 }
        layout = try Layout(storages: storages, chunkSize: chunkSize)
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    func readDescriptor(forStorage index: Int) -> Int32 { descriptors[index] }

    /// Changes one byte of a file behind everybody's back.
    func flip(storage: Int, at offset: Int) throws {
        let file = mx_open(path(storage), O_RDWR, 0)
        defer { close(file) }
        var byte: UInt8 = 0
        guard pread(file, &byte, 1, off_t(offset)) == 1 else { throw TestFailure("pread: errno \(errno)") }
        byte ^= 0x40
        guard pwrite(file, &byte, 1, off_t(offset)) == 1 else { throw TestFailure("pwrite: errno \(errno)") }
    }

    func truncate(storage: Int, to size: Int) throws {
        guard Glibc.truncate(path(storage), off_t(size)) == 0 else { throw TestFailure("truncate: errno \(errno)") }
    }

    private func path(_ storage: Int) -> String { folder + "/" + Self.name(storage) }

    private static func name(_ index: Int) -> String {
        let digits = String(index)
        return "file-" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// Bytes that repeat nowhere near.
    static func pattern(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state)
        }
    }
}
