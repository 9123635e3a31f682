/// The counters, gauges and histograms of a process, and their Prometheus text.
///
/// Make a handle once, keep it, and update it from any thread. Names are `modelexpress_<room>_<what>_<unit>`, counters end
/// in `_total`; a label has few values (a lane, a zone, a reason), never a peer. Asking again for the same name and labels
/// gives the same handle.
package final class Metrics: Sendable {
    /// The most label combinations of one name. More get a handle that counts for nobody, and
    /// `modelexpress_metrics_series_refused_total` tells.
    package static let maximumSeriesPerName = 512

    /// The process's own.
    package static let shared = Metrics()

    private let families = Guarded([String: MetricFamily]())
    private let refused = Counter()

    /// An empty registry.
    package init() {
        let name = "modelexpress_metrics_series_refused_total"
        let help = "Label combinations over the bound for their metric, which are not shown."
        let refused = refused
        families.withLock {
            $0[name] = MetricFamily(kind: .counter, help: help, series: [[]: .counter(refused)])
        }
    }

    /// A number that only rises.
    package func counter(_ name: String, help: String, labels: [(String, String)] = []) -> Counter {
        let made = series(name, .counter, help, labels) { .counter(Counter()) }
        guard case .counter(let counter) = made else { preconditionFailure("\(name) is not a counter") }
        return counter
    }

    /// A number that rises and falls.
    package func gauge(_ name: String, help: String, labels: [(String, String)] = []) -> Gauge {
        let made = series(name, .gauge, help, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = made else { preconditionFailure("\(name) is not a gauge that is set") }
        return gauge
    }

    /// A number that is asked for at each exposition. The first closure given for a name and labels stays.
    package func gauge(
        _ name: String, help: String, labels: [(String, String)] = [], read: @escaping @Sendable () -> Double
    ) {
        _ = series(name, .gauge, help, labels) { .computed(read) }
    }

    /// How often values fell below each of `bounds`.
    ///
    /// - Parameter bounds: rising upper bounds in the unit that the name ends in; one without a bound is added.
    package func histogram(
        _ name: String, help: String, labels: [(String, String)] = [], bounds: [Double] = Histogram.secondsBounds
    ) -> Histogram {
        let made = series(name, .histogram, help, labels) { .histogram(Histogram(bounds: bounds)) }
        guard case .histogram(let histogram) = made else { preconditionFailure("\(name) is not a histogram") }
        return histogram
    }

    /// Everything in Prometheus's text format 0.0.4, sorted by name and labels.
    package func exposition() -> String {
        let families = families.withLock { $0 }
        return families.sorted { $0.key < $1.key }.map { name, family in family.exposition(name: name) }.joined()
    }

    private func series(
        _ name: String, _ kind: MetricKind, _ help: String, _ labels: [(String, String)], make: () -> MetricSeries
    ) -> MetricSeries {
        precondition(MetricText.isName(name), "\(name) is no metric name")
        precondition(labels.allSatisfy { MetricText.isName($0.0) }, "a label of \(name) has no valid name")
        let key = labels.map { MetricLabel(name: $0.0, value: $0.1) }.sorted { $0.name < $1.name }
        let fresh = make()
        let found: MetricSeries? = families.withLock { families in
            var family = families[name] ?? MetricFamily(kind: kind, help: help)
            precondition(family.kind == kind, "\(name) is already a \(family.kind.rawValue)")
            if let existing = family.series[key] { return existing }
            guard family.series.count < Self.maximumSeriesPerName else { return nil }
            family.series[key] = fresh
            families[name] = family
            return fresh
        }
        if found == nil { refused.increment() }
        return found ?? fresh
    }
}
