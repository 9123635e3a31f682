/// Swift source with its comments, and on request its string literals, blanked out. Line breaks stay where they were, so
/// line numbers hold.
struct SwiftText {
    private let input: [UInt8]
    private var output: [UInt8]
    private var position = 0
    private let keepsStrings: Bool

    static func withoutComments(_ text: String) -> String { blank(text, keepsStrings: true) }
    static func withoutCommentsAndStrings(_ text: String) -> String { blank(text, keepsStrings: false) }

    private static func blank(_ text: String, keepsStrings: Bool) -> String {
        var scanner = SwiftText(input: Array(text.utf8), keepsStrings: keepsStrings)
        scanner.scan()
        return String(decoding: scanner.output, as: UTF8.self)
    }

    private init(input: [UInt8], keepsStrings: Bool) {
        self.input = input
        self.output = input
        self.keepsStrings = keepsStrings
    }

    private mutating func scan() {
        while position < input.count {
            if starts(with: "//") {
                scanLineComment()
            } else if starts(with: "/*") {
                scanBlockComment()
            } else if let pounds = poundsOfString() {
                scanString(pounds: pounds)
            } else {
                position += 1
            }
        }
    }

    private mutating func scanLineComment() {
        while position < input.count, input[position] != UInt8(ascii: "\n") { blankOne() }
    }

    private mutating func scanBlockComment() {
        var depth = 0
        repeat {
            if starts(with: "/*") {
                depth += 1
                blankOne()
            } else if starts(with: "*/") {
                depth -= 1
                blankOne()
            }
            blankOne()
        } while depth > 0 && position < input.count
    }

    /// How many `#` stand before the quote where a string literal begins here; nil where none begins.
    private func poundsOfString() -> Int? {
        var end = position
        while end < input.count, input[end] == UInt8(ascii: "#") { end += 1 }
        guard end < input.count, input[end] == UInt8(ascii: "\"") else { return nil }
        return end - position
    }

    private mutating func scanString(pounds: Int) {
        let fence = String(repeating: "#", count: pounds)
        skip(pounds)
        let quote = starts(with: "\"\"\"") ? "\"\"\"" : "\""
        skip(quote.utf8.count)
        while position < input.count {
            if starts(with: quote + fence) {
                skip(quote.utf8.count + pounds)
                return
            } else if starts(with: "\\" + fence + "(") {
                skipString(pounds + 2)
                scanInterpolation()
            } else if starts(with: "\\" + fence) {
                skipString(pounds + 2)
            } else if quote == "\"", input[position] == UInt8(ascii: "\n") {
                return
            } else {
                skipString(1)
            }
        }
    }

    /// From after `\(` to after its closing bracket.
    private mutating func scanInterpolation() {
        var depth = 1
        while position < input.count, depth > 0 {
            if let pounds = poundsOfString() {
                scanString(pounds: pounds)
                continue
            }
            if input[position] == UInt8(ascii: "(") { depth += 1 }
            if input[position] == UInt8(ascii: ")") { depth -= 1 }
            skipString(1)
        }
    }

    private func starts(with text: String) -> Bool {
        var index = position
        for byte in text.utf8 {
            guard index < input.count, input[index] == byte else { return false }
            index += 1
        }
        return true
    }

    private mutating func blankOne() {
        guard position < input.count else { return }
        if input[position] != UInt8(ascii: "\n") { output[position] = UInt8(ascii: " ") }
        position += 1
    }

    private mutating func skip(_ count: Int) { position = min(position + count, input.count) }

    private mutating func skipString(_ count: Int) {
        for _ in 0..<count {
            if keepsStrings { skip(1) } else { blankOne() }
        }
    }
}
