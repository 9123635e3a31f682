import CommandLine
import Simulation

/// A report as people read it.
enum ReportTable {
    static func text(_ report: RunReport) -> String {
        var table = TextTable([
            .init("METRIC"), .init("VALUE", .right), .init("EXPECTED", .right), .init(""),
        ])
        for metric in report.metrics {
            table.add([
                metric.name, metric.value.map(number) ?? "never", metric.bound.map(words) ?? "",
                metric.bound == nil ? "" : metric.isMet ? "ok" : "NOT MET",
            ])
        }
        var text = table.text
        for violation in report.violations {
            let moment = QuantityText.fixed(Double(violation.at) / 1e9, 3)
            text += "violated at \(moment) s: \(violation.invariant.rawValue); \(violation.peer): \(violation.detail)\n"
        }
        let hidden = report.violationCount - report.violations.count
        if hidden > 0 { text += "and \(hidden) more\n" }
        text += "\(report.scenario), seed \(report.seed): \(report.isPassed ? "passed" : "FAILED"), "
        text += "trace \(report.traceHash), \(report.events) events in "
        text += "\(QuantityText.fixed(Double(report.duration) / 1e9, 1)) virtual seconds\n"
        if !report.isPassed { text += "again: \(report.replay)\n" }
        return text
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() ? QuantityText.fixed(value, 0) : QuantityText.fixed(value, 3)
    }

    private static func words(_ bound: Bound) -> String {
        switch bound {
        case .atMost(let limit): "at most \(number(limit))"
        case .atLeast(let limit): "at least \(number(limit))"
        }
    }
}
