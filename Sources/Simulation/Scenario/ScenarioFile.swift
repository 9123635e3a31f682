/// A scenario of either kind.
package enum ScenarioFile: Sendable {
    /// Peers, their announcements and what happens to them.
    case mesh(Scenario)
    /// Content, and how it gets to those who want it.
    case distribution(Distribution)

    /// Runs it once.
    ///
    /// - Throws: `TrustError` or `WireError` when the run's own cluster or content isn't one, which a scenario that was read
    ///   can't bring about but by more chunks than a manifest may have.
    package func run(seed: UInt64, progress: (RunProgress) -> Void = { _ in }) throws -> RunReport {
        switch self {
        case .mesh(let scenario): return try Simulation(scenario, seed: seed).run(progress: progress)
        case .distribution(let distribution):
            var run = try DistributionRun(distribution, seed: seed)
            run.run()
            return run.report()
        }
    }
}
