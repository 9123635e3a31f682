import Testing

/// One broken rule, at one place.
struct Violation: Equatable, CustomStringConvertible {
    /// Relative to the repository root.
    var path: String
    /// 1 for the first line; 0 where the whole file or folder is meant.
    var line = 0
    var message: String

    var description: String { line == 0 ? "\(path): \(message)" : "\(path):\(line): \(message)" }
}

/// Records each violation as an issue of its own, so that one run shows them all.
func expectNone(_ violations: [Violation], sourceLocation: SourceLocation = #_sourceLocation) {
    for violation in violations {
        Issue.record("\(violation.description)", sourceLocation: sourceLocation)
    }
}
