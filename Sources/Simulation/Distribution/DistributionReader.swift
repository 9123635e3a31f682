import Records
import Transfer

/// Reads scenarios with the key `distribution`: `simulations/README.md` tells what they may say.
enum DistributionReader {
    private static let keys = [
        "model", "ranks", "nic", "sources", "loaders", "disk", "targets", "zones", "link", "slow", "chunks", "start",
        "rolling", "relays", "slots", "fan_in", "known", "latency", "gossip", "refresh",
        "fan_in_settings", "faults", "plant", "liars",
    ]

    static func read(_ node: ScenarioNode, name: String, path: String) throws(ScenarioError) -> Distribution {
        let top = try node.map(["distribution", "expect"])
        let map = try top.required("distribution").map(keys)
        var distribution = Distribution(name: name, path: path)
        distribution.modelBytes = try map.required("model").bytes()
        distribution.targets = try map.required("targets").count(in: 1...100_000)
        for (key, path, range) in counts {
            if let value = map[key] { distribution[keyPath: path] = try value.count(in: range) }
        }
        if let value = map["nic"] { distribution.nic = try value.rate() }
        if let value = map["disk"] { distribution.disk = try value.rate() }
        if let value = map["link"] { distribution.link = try value.rate() }
        if let value = map["slow"] { distribution.slow = try value.share() }
        if let value = map["start"] { distribution.start = try value.duration() }
        if let value = map["latency"] { distribution.latency = try value.duration() }
        if let value = map["gossip"] { distribution.gossip = try value.duration() }
        if let value = map["refresh"] { distribution.refresh = try value.duration() }
        if let value = map["fan_in_settings"] {
            let map = try value.map(tuned.map(\.key))
            for (key, path) in tuned {
                if let value = map[key] { distribution.tuning[keyPath: path] = try value.duration() }
            }
        }
        if let value = map["relays"] { distribution.areRelays = try value.flag() }
        if let value = map["rolling"] { distribution.rolling = try value.count(in: 1...100_000) }
        if let value = map["known"] { distribution.known = try value.count(in: 1...100_000) }
        if let value = map["liars"] { distribution.liars = try SwarmLiars.read(value) }
        if let value = map["plant"] { distribution.mutant = try value.word() }
        for fault in try map["faults"]?.list() ?? [] { distribution.faults.append(try self.fault(fault)) }
        guard distribution.sources + distribution.loaders > 0 else {
            throw top.values["distribution"]?.invalid("at least one source or loader") ?? node.invalid("a distribution")
        }
        if let expected = top["expect"] {
            distribution.expected = try ExpectationReader.read(expected, DistributionRun.metricNames)
        }
        return distribution
    }

    private static var tuned: [(key: String, path: WritableKeyPath<FanInConfiguration, UInt64>)] {
        [
            ("recheck", \.recheck), ("starvation", \.starvation), ("swap_period", \.swapPeriod),
            ("silence_cool_down", \.silenceCoolDown), ("nearing_period", \.nearingPeriod),
            ("zone_patience", \.zonePatience), ("zone_idle", \.zoneIdle),
        ]
    }

    private static var counts: [(key: String, path: WritableKeyPath<Distribution, Int>, range: ClosedRange<Int>)] {
        [
            ("ranks", \.ranks, 1...1_024), ("sources", \.sources, 0...100_000), ("loaders", \.loaders, 0...1_000),
            ("zones", \.zones, 1...64), ("chunks", \.chunks, 1...100_000), ("slots", \.slots, 1...1_000),
            ("fan_in", \.fanIn, 1...64),
        ]
    }

    private static func fault(_ node: ScenarioNode) throws(ScenarioError) -> Distribution.Fault {
        let (kind, value) = try node.one(of: Distribution.Fault.Kind.allCases.map(\.rawValue))
        let map = try value.map(["of", "share", "within"])
        var role = Distribution.Fault.Role.all
        if let of = map["of"] { role = try of.word() }
        var fault = Distribution.Fault(
            Distribution.Fault.Kind(rawValue: kind) ?? .kill, role, try map.required("share").share())
        if let within = map["within"] { fault.within = Double(try within.share().millionths) / 10_000 }
        return fault
    }
}

extension ScenarioNode {
    /// Bytes: `140GB`, `35 GB`, `500MB`; powers of ten.
    func bytes() throws(ScenarioError) -> Double {
        guard let bytes = QuantityReading.bytes(try text()) else { throw invalid("a size such as 140GB or 500MB") }
        return bytes
    }

    /// Bytes a second: `400Gbit` is 50 GB a second, `5GB` is meant for each second.
    func rate() throws(ScenarioError) -> Double {
        guard let rate = QuantityReading.rate(try text()) else {
            throw invalid("a speed such as 400Gbit or 5GB, for each second")
        }
        return rate
    }
}

/// Sizes and speeds as people write them.
package enum QuantityReading {
    private static let factors: [(unit: String, factor: Double)] = [
        ("Tbit", 1e12 / 8), ("Gbit", 1e9 / 8), ("Mbit", 1e6 / 8), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6),
    ]

    /// Nil for what is no positive size in TB, GB or MB.
    package static func bytes(_ text: String) -> Double? { read(text, factors.filter { $0.unit.hasSuffix("B") }) }

    /// Bytes a second; nil for what is no positive speed in bits or bytes, with `/s` behind it or not.
    package static func rate(_ text: String) -> Double? {
        read(text.hasSuffix("/s") ? String(text.dropLast(2)) : text, factors)
    }

    private static func read(_ text: String, _ factors: [(unit: String, factor: Double)]) -> Double? {
        for (unit, factor) in factors where text.hasSuffix(unit) {
            var digits = text.dropLast(unit.count)
            if digits.last == " " { digits.removeLast() }
            guard let number = Double(digits), number.isFinite, number > 0, number * factor < 1e18 else { return nil }
            return number * factor
        }
        return nil
    }
}
