/// How a share grew over time: of peers that hold an announcement, of targets that are ready.
package struct ReportCurve: Hashable, Sendable {
    package let name: String
    /// When another one was there, ascending, in `unit`s.
    package let times: [Double]
    /// Of how many.
    package let total: Int
    package let unit: String
}

/// The curves of a report as a picture that any browser shows.
package enum ReportPicture {
    private static let width = 760.0
    private static let height = 420.0
    private static let left = 60.0
    private static let top = 50.0
    private static let plotWidth = 540.0
    private static let plotHeight = 310.0
    /// Distinguished by people who see colours differently too.
    private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
    private static let gridLines = 4

    /// SVG; without curves it says so.
    package static func svg(_ report: RunReport) -> String {
        let curves = report.curves.filter { !$0.times.isEmpty }
        let longest = max(curves.compactMap(\.times.last).max() ?? 1, 1e-9)
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(number(width)) \(number(height))\" "
                + "font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            text(
                left, 26, "\(report.scenario), seed \(report.seed): \(report.isPassed ? "passed" : "failed")", size: 16),
        ]
        for step in 0...gridLines {
            let part = Double(step) / Double(gridLines)
            let y = top + plotHeight * (1 - part)
            let x = left + plotWidth * part
            parts.append(
                "<path d=\"M\(number(left)) \(number(y))h\(number(plotWidth))\" stroke=\"#ddd\" fill=\"none\"/>")
            parts.append(text(left - 8, y + 4, "\(number(part * 100))%", anchor: "end"))
            parts.append(text(x, top + plotHeight + 18, FixedText.text(longest * part, 2), anchor: "middle"))
        }
        parts.append(
            text(
                left + plotWidth / 2, top + plotHeight + 38, curves.first?.unit ?? "nothing was measured",
                anchor: "middle"))
        for (index, curve) in curves.enumerated() {
            let colour = colours[index % colours.count]
            parts.append("<path d=\"\(path(curve, longest))\" stroke=\"\(colour)\" stroke-width=\"2\" fill=\"none\"/>")
            parts.append(
                text(left + plotWidth + 14, top + 14 + 18 * Double(index), escaped(curve.name), colour: colour))
        }
        return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// A stair: the share steps up when another one is there.
    private static func path(_ curve: ReportCurve, _ longest: Double) -> String {
        var path = "M\(number(left)) \(number(top + plotHeight))"
        for (index, time) in curve.times.enumerated() {
            let share = Double(index + 1) / Double(max(curve.total, 1))
            path += "H\(number(left + plotWidth * time / longest))V\(number(top + plotHeight * (1 - share)))"
        }
        return path
    }

    private static func text(
        _ x: Double, _ y: Double, _ text: String, size: Int = 12, anchor: String = "start", colour: String = "#333"
    ) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"\(size)\" text-anchor=\"\(anchor)\" fill=\"\(colour)\">"
            + "\(text)</text>"
    }

    private static func number(_ value: Double) -> String { FixedText.text(value, value == value.rounded() ? 0 : 1) }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
