/// The targets of Package.swift whose folders stand under Sources, read from its text: asking SwiftPM from within its own test
/// run would wait for the lock that the run holds.
struct Manifest {
    struct Target {
        let name: String
        /// Names of targets and products, as they stand in `dependencies:`.
        let dependencies: [String]
        let line: Int
    }

    let targets: [Target]

    init(text: String) {
        let source = Array(SwiftText.withoutComments(text).utf8)
        var found: [Target] = []
        var position = 0
        while position < source.count {
            guard let open = Self.openingOfTarget(source, at: position) else {
                position += 1
                continue
            }
            let end = Self.closing(source, from: open)
            let line = 1 + source[..<position].count { $0 == UInt8(ascii: "\n") }
            found += Self.target(source[(open + 1)..<end], line: line).map { [$0] } ?? []
            position = end
        }
        targets = found
    }

    /// The index of the bracket after `.target` and its like, where such a word begins at `position`.
    private static func openingOfTarget(_ source: [UInt8], at position: Int) -> Int? {
        for word in [".target(", ".executableTarget(", ".systemLibrary(", ".macro(", ".plugin("] {
            if source[position...].starts(with: word.utf8) { return position + word.utf8.count - 1 }
        }
        return nil
    }

    /// The index of the bracket that closes the one at `open`.
    private static func closing(_ source: [UInt8], from open: Int) -> Int {
        var nesting = Nesting()
        for index in open..<source.count {
            nesting.read(source[index])
            if nesting.depth == 0 { return index }
        }
        return source.count
    }

    private static func target(_ arguments: ArraySlice<UInt8>, line: Int) -> Target? {
        var name: String?
        var dependencies: [String] = []
        var isElsewhere = false
        for argument in elements(arguments) {
            if argument.hasPrefix("path:") { isElsewhere = firstString(argument)?.hasPrefix("Sources/") != true }
            if argument.hasPrefix("name:") { name = firstString(argument) }
            if argument.hasPrefix("dependencies:"), let open = argument.utf8.firstIndex(of: UInt8(ascii: "[")) {
                let list = Array(argument.utf8[open...])
                dependencies = elements(list[1..<closing(list, from: 0)]).compactMap(firstString)
            }
        }
        guard !isElsewhere else { return nil }
        return name.map { Target(name: $0, dependencies: dependencies, line: line) }
    }

    /// What stands between the commas of one level, without the spaces around it.
    private static func elements(_ text: ArraySlice<UInt8>) -> [String] {
        var parts: [ArraySlice<UInt8>] = []
        var start = text.startIndex
        var nesting = Nesting()
        for index in text.indices {
            nesting.read(text[index])
            if text[index] == UInt8(ascii: ","), nesting.depth == 0, !nesting.isInString {
                parts.append(text[start..<index])
                start = index + 1
            }
        }
        parts.append(text[start...])
        let isSpace: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        return parts.map { String(decoding: $0.drop(while: isSpace), as: UTF8.self) }.filter { !$0.isEmpty }
    }

    /// The first string literal: the name in `"Digest"`, in `.target(name: "Digest")` and in `.product(name: ...)`.
    private static func firstString(_ text: String) -> String? {
        let parts = text.split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
        return parts.count == 3 ? String(parts[1]) : nil
    }
}

/// How deep in brackets a reader of the manifest is. Brackets in string literals do not count.
private struct Nesting {
    private(set) var depth = 0
    private(set) var isInString = false

    mutating func read(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""):
            isInString.toggle()
        case UInt8(ascii: "("), UInt8(ascii: "["):
            depth += isInString ? 0 : 1
        case UInt8(ascii: ")"), UInt8(ascii: "]"):
            depth -= isInString ? 0 : 1
        default:
            break
        }
    }
}
