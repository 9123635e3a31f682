import Records

/// What a run of a distribution measures.
extension DistributionRun {
    /// In the units of a report: seconds where a name ends in `_s`, copies of one rank's content where it says so.
    package static let metricNames: [MetricName] = [
        MetricName("first_ready", .seconds), MetricName("median_ready", .seconds), MetricName("p99_ready", .seconds),
        MetricName("last_ready", .seconds), MetricName("alone", .seconds), MetricName("first_over_alone", .number),
        MetricName("median_over_alone", .number), MetricName("last_over_alone", .number),
        MetricName("longest_pull_over_alone", .number), MetricName("ready", .number), MetricName("died", .number),
        MetricName("source_copies_mean", .number), MetricName("source_copies_most", .number),
        MetricName("relay_copies_most", .number), MetricName("copies_between_zones", .number),
        MetricName("leases_most", .number), MetricName("reads_most_over_mean", .number),
        MetricName("refusals_per_target", .number),
    ]

    package func report() -> RunReport {
        let values = self.values
        return RunReport(
            scenario: distribution.name, seed: seed, traceHash: swarm.trace.text,
            violations: swarm.violations + unfinished.prefix(1),
            violationCount: swarm.violationCount + unfinished.count,
            metrics: zip(Self.metricNames, values).map { name, value in
                RunReport.Metric(
                    name: name.reported, value: value.map { ($0 * 10_000).rounded() / 10_000 },
                    bound: distribution.expected[name.reported])
            }, events: swarm.events, duration: swarm.now,
            replay: "modelexpress-sim run \(distribution.path) --seed \(seed) --peers \(distribution.targets)",
            curves: [ReportCurve(name: "ready", times: readyTimes, total: swarm.targets.count, unit: "seconds")])
    }

    /// Who lives and isn't done when the time is over.
    private var unfinished: [Violation] {
        swarm.targets.filter { $0.doneAt == nil && !$0.isDead }.map {
            Violation(
                invariant: .completion, at: swarm.now, peer: "host\($0.index)", detail: "it isn't complete at the end")
        }
    }

    /// Seconds from the start of the run to when each target was ready, ascending.
    package var readyTimes: [Double] { swarm.completions.sorted() }

    private var values: [Double?] {
        let targets = swarm.targets
        let ready = readyTimes
        let isAllReady = ready.count + targets.count(where: { $0.isDead && $0.doneAt == nil }) == targets.count
        let last = isAllReady ? ready.last : nil
        let median = ready.count * 2 > targets.count ? ready[targets.count / 2] : nil
        let nearlyAll = ready.isEmpty ? nil : ready[max(ready.count * 99 / 100, 1) - 1]
        let longest = targets.compactMap { target in
            target.doneAt.map { Double($0 - (target.startedAt ?? 0)) / 1e9 }
        }.max()
        let size = Double(swarm.layout.totalBytes)
        let sources = swarm.hosts.filter { !$0.isTarget && !$0.isLiar }.map { swarm.network.carried[$0.up] / size }
        let relays = swarm.hosts.filter(\.isTarget).map { swarm.network.carried[$0.up] / size }
        let serving = swarm.hosts.filter { $0.readsMost > 0 }
        let reads = serving.map { Double($0.readsMost) }
        let sum = sources.reduce(0, +)
        return [
            ready.first, median, nearlyAll, last, alone, ready.first.map { $0 / alone }, median.map { $0 / alone },
            last.map { $0 / alone }, longest.map { $0 / alone }, Double(ready.count),
            Double(swarm.hosts.count(where: \.isDead)), sources.isEmpty ? nil : sum / Double(sources.count),
            sources.max(), relays.max(), swarm.bytesBetweenZones / size,
            Double(swarm.hosts.map(\.leasesMost).max() ?? 0),
            reads.isEmpty ? nil : (reads.max() ?? 0) * Double(reads.count) / reads.reduce(0, +),
            targets.isEmpty ? nil : Double(swarm.refusals) / Double(targets.count),
        ]
    }
}
