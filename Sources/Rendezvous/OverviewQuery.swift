import HTTPFace

/// Which part of a list is wanted: `NAME_filter`, `NAME_sort`, `NAME_offset` and `NAME_limit` of an overview's query.
struct OverviewQuery: Hashable {
    /// The most rows of one list.
    static let longestPage = 200
    private static let usualPage = 25
    /// Bytes and words of a filter; more are left out.
    private static let longestFilter = 256
    private static let mostWords = 8
    /// No list is longer.
    private static let lastOffset = 10_000_000

    /// Words that must all be in a row, in lower case.
    var words: [[UInt8]]
    /// What to sort by; empty for the list's own order.
    var key: String
    var isDescending: Bool
    var offset: Int
    var limit: Int

    init(_ name: String, in query: RequestQuery) {
        let filter = String(decoding: (query["\(name)_filter"] ?? "").utf8.prefix(Self.longestFilter), as: UTF8.self)
        words = filter.lowercased().split(separator: " ").prefix(Self.mostWords).map { Array($0.utf8) }
        let sort = query["\(name)_sort"] ?? ""
        isDescending = sort.hasPrefix("-")
        key = isDescending ? String(sort.dropFirst()) : sort
        offset = query.number("\(name)_offset", within: 0...Self.lastOffset, normal: 0)
        limit = query.number("\(name)_limit", within: 1...Self.longestPage, normal: Self.usualPage)
    }

    /// - Parameter text: in lower case.
    func matches(_ text: [UInt8]) -> Bool { words.allSatisfy { Self.contains($0, in: text) } }

    /// The part of `count` matching rows; one before an offset that lies behind the end, so that a list that shrinks shows
    /// its last page.
    func range(of count: Int) -> Range<Int> {
        let start = offset < count ? offset : max(0, (count - 1) / limit * limit)
        return start..<min(start + limit, count)
    }

    private static func contains(_ word: [UInt8], in text: [UInt8]) -> Bool {
        guard let first = word.first, word.count <= text.count else { return word.isEmpty }
        for start in 0...text.count - word.count where text[start] == first {
            if text[start..<start + word.count].elementsEqual(word) { return true }
        }
        return false
    }
}

/// Rows of one list in the orders that can be asked for.
struct OverviewTable<Row> {
    typealias Order = (Row, Row) -> Bool

    let rows: [Row]
    let text: (Row) -> String
    /// Ascending, by key. Equal rows keep the list's own order.
    let orders: [String: Order]

    /// The rows that match, in order, cut to the page.
    func page(_ query: OverviewQuery) -> (matching: Int, offset: Int, rows: [Row]) {
        var matching =
            query.words.isEmpty ? rows : rows.filter { query.matches(Array(text($0).lowercased().utf8)) }
        if let order = orders[query.key] {
            matching.sort { query.isDescending ? order($1, $0) : order($0, $1) }
        }
        let range = query.range(of: matching.count)
        return (matching.count, range.lowerBound, Array(matching[range]))
    }
}
