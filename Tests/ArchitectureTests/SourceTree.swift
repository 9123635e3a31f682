import Glibc

struct ImportLine {
    let module: String
    /// 1 for the first line of its file.
    let number: Int
}

/// One source file with what the rules look at.
struct SourceFile {
    /// Relative to the repository root.
    let path: String
    let lines: [Substring]
    /// Its code alone, for Swift: comments and string literals are blank.
    let code: String
    let codeLines: [Substring]
    let imports: [ImportLine]

    var isSwift: Bool { path.hasSuffix(".swift") }
    var isGenerated: Bool { path.hasSuffix(".pb.swift") || path.hasSuffix(".grpc.swift") }

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        code = path.hasSuffix(".swift") ? SwiftText.withoutCommentsAndStrings(text) : text
        codeLines = code.split(separator: "\n", omittingEmptySubsequences: false)
        imports =
            path.hasSuffix(".swift")
            ? codeLines.enumerated().compactMap { index, line in
                Self.importedModule(line).map { ImportLine(module: $0, number: index + 1) }
            }
            : []
    }

    /// The number of lines; a line break at the end of the file begins none.
    var lineCount: Int { lines.last == "" ? lines.count - 1 : lines.count }

    private static func importedModule(_ line: Substring) -> String? {
        let modifiers: Set<Substring> = ["package", "internal", "private", "fileprivate", "public"]
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
        var words = line.split(separator: " ")[...]
        while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) { words.removeFirst() }
        guard words.popFirst() == "import" else { return nil }
        if let kind = words.first, kinds.contains(kind) { words.removeFirst() }
        return words.first?.split(separator: ".").first.map(String.init)
    }
}

/// A folder under Sources/.
struct Room {
    let name: String
    var files: [SourceFile]
}

/// What stands in a working copy of the repository.
enum Repository {
    static let root: String = {
        let levelsUp = 3  // Tests/ArchitectureTests/SourceTree.swift
        return #filePath.split(separator: "/").dropLast(levelsUp).reduce(into: "") { $0 += "/" + $1 }
    }()

    static func rooms() throws -> [Room] {
        try entries(of: "Sources").map { name in try Room(name: name, files: sourceFiles(under: "Sources/\(name)")) }
    }

    /// Every Swift and C file under a folder, by path.
    static func sourceFiles(under folder: String) throws -> [SourceFile] {
        var files: [SourceFile] = []
        for name in try entries(of: folder) {
            let path = "\(folder)/\(name)"
            if isFolder(path) {
                files += try sourceFiles(under: path)
            } else if [".swift", ".c", ".h"].contains(where: path.hasSuffix) {
                files.append(SourceFile(path: path, text: try text(of: path)))
            }
        }
        return files
    }

    static func text(of path: String) throws -> String {
        guard let file = fopen("\(root)/\(path)", "r") else { throw Unreadable(path: path, code: errno) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The names in a folder in order, hidden ones left out.
    private static func entries(of folder: String) throws -> [String] {
        guard let stream = opendir("\(root)/\(folder)") else { throw Unreadable(path: folder, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat("\(root)/\(path)", &status) == 0 && (status.st_mode & S_IFMT) == S_IFDIR
    }
}

struct Unreadable: Error, CustomStringConvertible {
    let path: String
    let code: Int32

    var description: String { "\(path) can't be read: \(String(cString: strerror(code)))" }
}
