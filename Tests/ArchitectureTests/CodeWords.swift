/// Finds words in code: whole identifiers, never parts of one.
enum CodeWords {
    /// The ranges of a word in a text. Where the word begins or ends with a letter, a digit or `_`, no other such character
    /// stands next to it.
    static func ranges(of word: String, in text: Substring) -> [Range<Substring.Index>] {
        text.ranges(of: word).filter { range in
            let before = range.lowerBound == text.startIndex ? nil : text[text.index(before: range.lowerBound)]
            let after = range.upperBound == text.endIndex ? nil : text[range.upperBound]
            let joinsBefore = word.first.map(isPart) == true && before.map(isPart) == true
            let joinsAfter = word.last.map(isPart) == true && after.map(isPart) == true
            return !joinsBefore && !joinsAfter
        }
    }

    static func contains(_ word: String, in text: Substring) -> Bool { !ranges(of: word, in: text).isEmpty }

    private static func isPart(_ character: Character) -> Bool {
        character == "_" || character.isLetter || character.isNumber
    }
}
