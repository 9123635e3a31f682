/// Reads what a scenario says of the network.
enum NetworkReader {
    static func network(_ node: ScenarioNode) throws(ScenarioError) -> NetworkSettings {
        let map = try node.map([
            "latency", "drawn", "jitter", "loss", "duplication", "handshake_round_trips", "slow_joiner", "gossip_queue",
            "control_queue", "connection_timeout", "reconnect", "longest_reconnect", "bootstrap_timeout",
        ])
        var network = NetworkSettings()
        if let latency = map["latency"] { network.latency = try self.latency(latency) }
        if let drawn = map["drawn"] { network.drawn = try drawn.word() }
        try map.read("jitter", into: &network.jitter) { (node) throws(ScenarioError) in try node.share() }
        if let loss = map["loss"] {
            let (gossip, control) = try self.loss(loss)
            network.gossipLoss = gossip ?? network.gossipLoss
            network.controlLoss = control ?? network.controlLoss
        }
        try map.read("duplication", into: &network.duplication) { (node) throws(ScenarioError) in try node.share() }
        try map.read("handshake_round_trips", into: &network.handshakeRoundTrips) { (node) throws(ScenarioError) in
            try node.count(in: 0...16)
        }
        for (key, path) in durations {
            if let value = map[key] { network[keyPath: path] = try value.duration() }
        }
        for (key, path) in [("gossip_queue", \NetworkSettings.gossipQueue), ("control_queue", \.controlQueue)] {
            if let value = map[key] { network[keyPath: path] = try value.count(in: 1...1_000_000) }
        }
        return network
    }

    static func loss(_ node: ScenarioNode) throws(ScenarioError) -> (gossip: Share?, control: Share?) {
        let map = try node.map(["gossip", "control"])
        return (try map["gossip"]?.share(), try map["control"]?.share())
    }

    private static var durations: [(key: String, path: WritableKeyPath<NetworkSettings, UInt64>)] {
        [
            ("slow_joiner", \.slowJoiner), ("connection_timeout", \.connectionTimeout), ("reconnect", \.reconnect),
            ("longest_reconnect", \.longestReconnect), ("bootstrap_timeout", \.bootstrapTimeout),
        ]
    }

    private static func latency(_ node: ScenarioNode) throws(ScenarioError) -> LatencyModel {
        let (kind, value) = try node.one(of: ["constant", "uniform", "lognormal", "zones"])
        switch kind {
        case "constant": return .constant(try value.duration())
        case "uniform":
            let ends = try value.list()
            guard ends.count == 2 else { throw value.invalid("two durations, the least and the longest") }
            let (least, longest) = (try ends[0].duration(), try ends[1].duration())
            guard least <= longest else { throw value.invalid("two durations, the least and the longest") }
            return .uniform(least...longest)
        case "lognormal":
            let map = try value.map(["median", "sigma"])
            let sigma = try map.required("sigma").number()
            guard (0...5).contains(sigma) else { throw value.invalid("a sigma from 0 to 5") }
            return .lognormal(median: try map.required("median").duration(), sigma: sigma)
        default:
            let map = try value.map(["inside", "between"])
            return .zones(
                inside: try latency(try map.required("inside")), between: try latency(try map.required("between")))
        }
    }
}
