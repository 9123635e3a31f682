/// Counts the lines of functions and initialisers by their brackets, in code whose comments and strings are blank.
enum FunctionLengths {
    struct Measured: Equatable {
        let firstLine: Int
        let lines: Int
    }

    private struct Token {
        let text: Substring
        let line: Int
    }

    static func measure(_ code: String) -> [Measured] {
        let tokens = tokenise(code)
        return tokens.indices.compactMap { index in
            guard begins(tokens, at: index), let open = openingOfBody(tokens, after: index) else { return nil }
            let close = closingOfBody(tokens, from: open)
            let first = tokens[index].line
            return Measured(firstLine: first, lines: tokens[close].line - first + 1)
        }
    }

    /// Names and keywords as wholes, every other character by itself.
    private static func tokenise(_ code: String) -> [Token] {
        var tokens: [Token] = []
        var line = 1
        var rest = code[...]
        while let first = rest.first {
            let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            if !word.isEmpty {
                tokens.append(Token(text: word, line: line))
                rest = rest[word.endIndex...]
                continue
            }
            if first == "\n" { line += 1 }
            if !first.isWhitespace { tokens.append(Token(text: rest.prefix(1), line: line)) }
            rest = rest.dropFirst()
        }
        return tokens
    }

    /// `func` and `deinit` begin one; `init` where it is declared, not called or referred to.
    private static func begins(_ tokens: [Token], at index: Int) -> Bool {
        let before = index == 0 ? "" : tokens[index - 1].text
        switch tokens[index].text {
        case "func", "deinit": return before != "."
        case "init": return before != "."
        default: return false
        }
    }

    /// The bracket that opens the body; nil for a requirement of a protocol, which ends where the next declaration begins.
    private static func openingOfBody(_ tokens: [Token], after start: Int) -> Int? {
        let declarations: Set<Substring> = [
            "func", "var", "let", "init", "deinit", "subscript", "case", "associatedtype",
        ]
        var depth = 0
        for index in tokens.indices[(start + 1)...] {
            let text = tokens[index].text
            if text == "(" || text == "[" { depth += 1 }
            if text == ")" || text == "]" { depth -= 1 }
            guard depth == 0 else { continue }
            if text == "{" { return index }
            if text == "}" || declarations.contains(text) { return nil }
        }
        return nil
    }

    private static func closingOfBody(_ tokens: [Token], from open: Int) -> Int {
        var depth = 0
        for index in tokens.indices[open...] {
            if tokens[index].text == "{" { depth += 1 }
            if tokens[index].text == "}" { depth -= 1 }
            if depth == 0 { return index }
        }
        return tokens.count - 1
    }
}
