import Records

/// Scenarios that nobody thought of: how many peers, what network, which faults in which order, all drawn from a seed, as the text
/// of a scenario file. Each leaves out some kinds of faults altogether, so that the others come in greater number.
package enum RandomScenario {
    /// Virtual seconds in which faults happen.
    private static let chaos = 20
    /// So long all may need to agree once the faults are over: a validity's end, 25 s at most, and greetings of the lost.
    private static let calm = 45
    private static let kinds = [
        "announce", "crash", "depart", "pause", "partition", "loss", "skew", "turn", "restart",
        "expire", "revoke", "rotate", "thin", "slow", "upgrade",
    ]

    package static func text(seed: UInt64) -> String {
        var generator = RandomStreams.generator(seed, .work, 7)
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        let peers = number(6...36)
        var lines = [
            "# Drawn from \(seed).", "peers: \(peers)", "servers: \(number(1...2))", "offers: \(number(1...peers))",
            "zones: \(number(1...3))", "join: {over: \(number(1...5))s, settle: 1s}",
            "mesh: {direct_peers: \(number(4...32)), degree: \(number(4...8))}", "network:",
            "  latency: {uniform: [0.2ms, \(number(1...20))ms]}",
            "  loss: {gossip: \(number(0...10))%, control: \(number(0...1))%}", "  duplication: \(number(0...5))%",
            number(0...2) > 0 ? "certificates: 24h" : "certificates: \(number(70...120))s", "timeline:",
        ]
        let used = kinds.filter { _ in number(0...2) > 0 }
        var steps: [(at: Int, text: String)] = []
        if !used.isEmpty {
            for index in 0..<number(3...10) {
                let at = number(0...(chaos - 6) * 10)
                let kind = used[number(0...used.count - 1)]
                steps.append((at, step(kind, index, &generator)))
            }
        }
        steps.append((chaos * 10, "loss: {gossip: 0%, control: 0%}"))
        for (at, text) in steps.sorted(by: { $0.at < $1.at }) {
            lines.append("  - {at: \(at * 100)ms, \(text)}")
        }
        lines += ["liveness: \(calm)s", "end: \(chaos + calm + 5)s"]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func step(_ kind: String, _ index: Int, _ generator: inout SeededGenerator) -> String {
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        let share = "share: \(number(5...40))%"
        switch kind {
        case "announce": return "announce: rumour\(index)"
        case "crash": return "crash: {\(share), noticed: \(Bool.random(using: &generator))}"
        case "restart": return "crash: {\(share), for: \(number(1...5))s}"
        case "depart": return "depart: {\(share), for: \(number(1...5))s}"
        case "pause": return "pause: {\(share), for: \(number(1...6))s}"
        case "partition":
            let ways = ["both", "in", "out"]
            return "partition: {\(share), for: \(number(1...6))s, blocks: \(ways[number(0...2)])}"
        case "loss": return "loss: {gossip: \(number(0...60))%, control: \(number(0...5))%}"
        case "expire": return "expire: {share: \(number(5...20))%, for: \(number(1...5))s}"
        case "thin": return "thin: {\(share), to: 0.\(number(1...9))Mbit, for: \(number(1...6))s}"
        case "slow": return "slow: {\(share), by: \(number(2...100)), for: \(number(1...6))s}"
        case "upgrade": return "upgrade: {\(share)}"
        case "revoke": return "revoke: {count: \(number(1...2))}"
        case "rotate":
            let revoking = Bool.random(using: &generator) ? ", for: 3s" : ""
            return "rotate: {share: \(number(50...100))%\(revoking)}"
        case "skew": return "skew: {\(share), by: \(number(-2...2))s}"
        default:
            let kinds = Misbehaviour.allCases
            return "turn: {\(share), into: \(kinds[number(0...kinds.count - 1)].rawValue)}"
        }
    }
}
