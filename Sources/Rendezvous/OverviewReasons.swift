import Records

/// What an operator should look at, in sentences.
enum OverviewReasons {
    /// A clock that is off by a part of the skew that the mesh allows is worth a word before it does harm, milliseconds.
    private static let notableOffset = ValidityLimits.skew / 5

    /// So many writes wait only where Redis is away or slow.
    private static let notableWaiting = 1_000

    static func all(_ look: MeshLook, _ report: ServerCondition.Report, storeWaiting: Int) -> [String] {
        var reasons = report.state == .ok ? [] : ["The server is \(report.state.rawValue): \(report.reason)."]
        if storeWaiting >= notableWaiting {
            reasons.append("\(storeWaiting) writes wait for Redis, which is away or answers slowly.")
        }
        if look.neighbours == 0, look.peers.count > 1 {
            reasons.append("No neighbour: what is shown of other peers is what was known before, and ends.")
        }
        if let offset = look.clockOffset, abs(offset) >= notableOffset {
            let seconds = Double(abs(offset)) / 1000
            reasons.append(
                "The server's clock is \(seconds) s \(offset > 0 ? "behind" : "ahead of") its neighbours'; "
                    + "\(ValidityLimits.skew / 1000) s is the most that the mesh allows.")
        }
        if !look.quarantined.isEmpty {
            reasons.append(
                "\(look.quarantined.count) quarantined: peers that contradict themselves. Restart each with a token of its own."
            )
        }
        return reasons
    }
}
