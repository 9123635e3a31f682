/// Makes a failing scenario smaller while the same invariant still fails: fewer steps, then fewer peers.
package struct Shrinking {
    /// The smallest text found, and how often it was run.
    package private(set) var text: String
    package private(set) var runs = 0
    private let seed: UInt64
    private let path: String

    package init(text: String, path: String, seed: UInt64) {
        self.text = text
        self.path = path
        self.seed = seed
    }

    /// The invariant that fails, as it is named in a report; nil when none does.
    package mutating func run() throws -> String? {
        guard let invariant = try failure(of: text) else { return nil }
        try dropSteps(invariant)
        try halvePeers(invariant)
        return invariant
    }

    private mutating func failure(of text: String) throws -> String? {
        runs += 1
        guard let scenario = try? ScenarioReader.read(text: text, path: path) else { return nil }
        return try Simulation(scenario, seed: seed).run().violations.first?.invariant.rawValue
    }

    /// A step is a line of its own that begins with its time. The last one goes first: what comes before is then as it was.
    private mutating func dropSteps(_ invariant: String) throws {
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for index in lines.indices.reversed() where lines[index].contains("- {at:") {
                let line = lines.remove(at: index)
                let shorter = lines.joined(separator: "\n")
                if try failure(of: shorter) == invariant {
                    text = shorter
                    hasChanged = true
                } else {
                    lines.insert(line, at: index)
                }
            }
        }
    }

    private mutating func halvePeers(_ invariant: String) throws {
        while let scenario = try? ScenarioReader.read(text: text, path: path), scenario.peers > 3 {
            let fewer = scenario.peers / 2
            let smaller = text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
                if line.hasPrefix("peers:") { return "peers: \(fewer)" }
                if line.hasPrefix("offers:") { return "offers: \(min(scenario.offers, fewer))" }
                return String(line)
            }.joined(separator: "\n")
            guard try failure(of: smaller) == invariant else { return }
            text = smaller
        }
    }
}
