/// How long a program, a file and a function may be.
enum SizeRules {
    static let programLimit = 150
    static let fileLimit = 500
    static let functionLimit = 100

    static func longPrograms(rooms: [Room]) -> [Violation] {
        let programs = Floors.rooms[5, default: []]
        return rooms.filter { programs.contains($0.name) }.compactMap { room in
            let count = room.files.reduce(0) { $0 + $1.lineCount }
            guard count > programLimit else { return nil }
            let message = "has \(count) lines; a program is flags and assembly, at most \(programLimit)"
            return Violation(path: "Sources/\(room.name)", message: message)
        }
    }

    static func longFiles(_ files: [SourceFile]) -> [Violation] {
        files.filter { $0.isSwift && !$0.isGenerated && $0.lineCount > fileLimit }.map {
            Violation(path: $0.path, message: "has \($0.lineCount) lines, more than \(fileLimit)")
        }
    }

    static func longFunctions(_ files: [SourceFile]) -> [Violation] {
        files.filter { $0.isSwift && !$0.isGenerated }.flatMap { file in
            FunctionLengths.measure(file.code).filter { $0.lines > functionLimit }.map {
                let message = "the function that begins here has \($0.lines) lines, more than \(functionLimit)"
                return Violation(path: file.path, line: $0.firstLine, message: message)
            }
        }
    }
}
