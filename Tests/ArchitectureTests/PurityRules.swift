/// Floors 1 and 2 are pure: time and chance come in as arguments, nothing waits and nothing leaves but return values.
enum PurityRules {
    private static let forbidden = [
        "Date(", "UUID(", "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", "Task {", "Task(",
        "Task.",
        "actor", "async", "await", "print(", "debugPrint(",
    ]
    /// Calls that draw from the system's generator unless they are given one.
    private static let random = [".random(", ".shuffled(", ".shuffle(", ".randomElement("]

    static func violations(rooms: [Room]) -> [Violation] {
        let pure = Set(Floors.rooms[1, default: []] + Floors.rooms[2, default: []])
        return rooms.filter { pure.contains($0.name) }.flatMap(\.files).filter(\.isSwift).flatMap { file in
            impureImports(file, pure) + impureWords(file) + unseededCalls(file)
        }
    }

    private static func impureImports(_ file: SourceFile, _ pure: Set<String>) -> [Violation] {
        file.imports.filter { !pure.contains($0.module) }.map {
            let message = "imports \($0.module); floors 1 and 2 import only each other"
            return Violation(path: file.path, line: $0.number, message: message)
        }
    }

    private static func impureWords(_ file: SourceFile) -> [Violation] {
        file.codeLines.enumerated().flatMap { index, line in
            forbidden.filter { CodeWords.contains($0, in: line) }.map { word in
                Violation(path: file.path, line: index + 1, message: "'\(word)' has no place on floors 1 and 2")
            }
        }
    }

    private static func unseededCalls(_ file: SourceFile) -> [Violation] {
        let code = file.code[...]
        return random.flatMap { call in
            code.ranges(of: call).filter { !argumentList(code[$0.upperBound...]).contains("using:") }.map { range in
                let line = 1 + code[..<range.lowerBound].count { $0 == "\n" }
                return Violation(path: file.path, line: line, message: "'\(call)' without using: draws unseeded chance")
            }
        }
    }

    /// What stands before the bracket that closes a call whose opening bracket was just read.
    private static func argumentList(_ text: Substring) -> Substring {
        var depth = 1
        return text.prefix { character in
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            return depth > 0
        }
    }
}
