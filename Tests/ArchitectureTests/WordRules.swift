/// Words that mark unfinished or unsafe code.
enum WordRules {
    /// Not even in a comment.
    private static let unfinished = ["TODO", "FIXME", "XXX", "HACK"]
    private static let forced = ["try!", "as!"]
    private static let unchecked = "@unchecked Sendable"
    /// How many lines above `@unchecked Sendable` the comment that proves it may stand.
    private static let proofReach = 6

    static func violations(rooms: [Room]) -> [Violation] {
        rooms.flatMap(\.files).filter { !$0.isGenerated }.flatMap { file in
            file.lines.indices.flatMap { index in violations(file, index) }
        }
    }

    private static func violations(_ file: SourceFile, _ index: Int) -> [Violation] {
        var messages = unfinished.filter { CodeWords.contains($0, in: file.lines[index]) }.map { "'\($0)'" }
        if file.isSwift {
            let code = file.codeLines[index]
            messages += forced.filter { CodeWords.contains($0, in: code) }.map { "'\($0)'" }
            if code.contains(unchecked), !hasComment(file, above: index) {
                messages.append("'\(unchecked)' without a comment within \(proofReach) lines above that proves it")
            }
        }
        return messages.map { Violation(path: file.path, line: index + 1, message: $0) }
    }

    private static func hasComment(_ file: SourceFile, above index: Int) -> Bool {
        (max(0, index - proofReach)..<index).contains { line in
            file.lines[line].contains("//") && !file.codeLines[line].contains("//")
        }
    }
}
