import Simulation

/// Runs a scenario that is written down in a test.
func simulate(_ text: String, seed: UInt64 = 1) throws -> RunReport {
    try Simulation(try ScenarioReader.read(text: text, path: "test.yaml"), seed: seed).run()
}

extension RunReport {
    func metric(_ name: String) -> Double? { metrics.first { $0.name == name }?.value }

    /// For the message of a failed test.
    var text: String {
        "seed \(seed): \(violations.map { "\($0.invariant.rawValue), \($0.peer): \($0.detail)" }), "
            + metrics.map { "\($0.name) \($0.value.map { "\($0)" } ?? "never")" }.joined(separator: ", ")
    }
}
