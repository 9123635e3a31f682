import Records
import Transfer

/// How a host of a swarm lies about what it has and how busy it is. All of them say that they have everything and a free place.
package enum SwarmLie: String, Hashable, Sendable, CaseIterable {
    /// It lets nobody in.
    case busy
    /// It lets readers in, and has none of the chunks.
    case absent
    /// It lets readers in, and never sends anything.
    case silent
    /// What it sends has wrong bytes.
    case wrong

    /// Whether it lets readers in.
    var grants: Bool { self != .busy }
}

/// How many liars of each kind a distribution has.
package struct SwarmLiars: Hashable, Sendable {
    package var counts: [SwarmLie: Int] = [:]

    package init() {}

    /// One plan for each, all with the same links.
    func plans(up: Double, down: Double, zones: Int, from index: Int) -> [SwarmHostPlan] {
        let lies = SwarmLie.allCases.flatMap { [SwarmLie](repeating: $0, count: counts[$0] ?? 0) }
        return lies.enumerated().map { number, lie in
            var plan = SwarmHostPlan(up: up, down: down, zone: (index + number) % zones, isOrigin: true)
            plan.lie = lie
            return plan
        }
    }

    static func read(_ node: ScenarioNode) throws(ScenarioError) -> SwarmLiars {
        let map = try node.map(SwarmLie.allCases.map(\.rawValue))
        var liars = SwarmLiars()
        for lie in SwarmLie.allCases {
            if let value = map[lie.rawValue] { liars.counts[lie] = try value.count(in: 0...10_000) }
        }
        return liars
    }
}

extension SwarmHost {
    /// Whether it says that it has everything and a free place.
    var isLiar: Bool { plan.lie != nil }
}

extension Swarm {
    /// What becomes of a read at a host that lies; nil: it is served, rightly or not.
    func answerOfLiar(_ lease: LeaseID, _ chunk: Int, at source: Int) -> (event: FanInEvent?, isServed: Bool) {
        switch hosts[source].plan.lie {
        case .absent, .busy: (.failed(lease, chunk: chunk, .notAvailable), false)
        case .silent: (nil, false)
        case .wrong, nil: (nil, true)
        }
    }
}
