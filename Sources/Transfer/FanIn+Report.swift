package import Records

/// What a pull tells of its sources.
extension FanIn {
    /// What was told of whom: those that gave something or were tried first, then those passed over; at most as many as the configuration says.
    package var tallies: [SourceTally] {
        let tried = sources.filter { $0.tally.engagedAt != nil || $0.tally.failures > 0 }
        let passed = sources.filter { $0.tally.engagedAt == nil && $0.tally.failures == 0 && !$0.tally.left.isEmpty }
        return (tried + passed).prefix(configuration.tallies).map(\.tally)
    }

    /// Sources that were known and are not among the tallies.
    package var untoldSources: Int { sources.count - tallies.count + forgotten }

    package func tally(of peer: PeerID) -> SourceTally? { indices[peer].map { sources[$0].tally } }
}
