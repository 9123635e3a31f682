import FoundationEssentials

/// The curves of a report as a table for programs that draw or compare.
package enum ReportSeries {
    /// CSV (RFC 4180 but for its line ends, which are plain): for each curve a line whenever another one is there. `share` is of all.
    package static func csv(_ report: RunReport) -> String {
        var lines = ["series,unit,time,count,share"]
        for curve in report.curves {
            let name = quoted(curve.name)
            for (index, time) in curve.times.enumerated() {
                let share = FixedText.text(Double(index + 1) / Double(max(curve.total, 1)), 6)
                lines.append("\(name),\(curve.unit),\(FixedText.text(time, 6)),\(index + 1),\(share)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func quoted(_ text: String) -> String {
        guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
        return "\"\(text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
    }
}

extension RunReport {
    /// Writes the picture and the series into the files that are named.
    ///
    package func write(svg: String?, csv: String?) throws(ReportUnwritable) {
        if let svg { try Self.write(ReportPicture.svg(self), to: svg) }
        if let csv { try Self.write(ReportSeries.csv(self), to: csv) }
    }

    private static func write(_ text: String, to path: String) throws(ReportUnwritable) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path))
        } catch {
            throw ReportUnwritable(path: path)
        }
    }
}

/// A file that a report can't be written to.
package struct ReportUnwritable: Error, Hashable, CustomStringConvertible {
    package let path: String

    package var description: String {
        "the report can't be written to \(path): is there such a folder, may this user write there, and is there room?"
    }
}
