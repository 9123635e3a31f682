/// Rows of text under headings, columns aligned.
package struct TextTable {
    package enum Alignment: Sendable {
        case left
        case right
    }

    package struct Column: Sendable {
        package var title: String
        package var alignment: Alignment
        /// Longer cells are cut.
        package var limit: Int

        package init(_ title: String, _ alignment: Alignment = .left, limit: Int = 40) {
            self.title = title
            self.alignment = alignment
            self.limit = limit
        }
    }

    private static let gap = "  "

    private let columns: [Column]
    private var rows: [[String]] = []

    package init(_ columns: [Column]) { self.columns = columns }

    /// Adds a row with a cell for each column. Cells may hold anything: they are escaped and cut.
    package mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "a row has a cell for each column")
        rows.append(zip(cells, columns).map { TerminalText.escaped($0, width: $1.limit) })
    }

    /// All lines, each with its end.
    package var text: String {
        let all = [columns.map(\.title)] + rows
        let widths = columns.indices.map { column in all.map { TerminalText.width($0[column]) }.max() ?? 0 }
        return all.map { line($0, widths) }.joined()
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        let padded = columns.indices.map { column in
            let padding = String(repeating: " ", count: widths[column] - TerminalText.width(cells[column]))
            return columns[column].alignment == .left ? cells[column] + padding : padding + cells[column]
        }
        var line = padded.joined(separator: Self.gap)
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }
}
