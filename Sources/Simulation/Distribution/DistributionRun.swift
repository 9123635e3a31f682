package import Records
import Transfer

/// One run of a distribution: a lone transfer for comparison, then the crowd.
package struct DistributionRun {
    package let distribution: Distribution
    package let seed: UInt64
    /// Seconds that one target of the same kind takes with one source and nobody beside it; a loader's disk takes its time
    /// where nobody has anything.
    package let alone: Double
    package private(set) var swarm: Swarm
    /// Bytes of the simulated content for each byte of the real one: chunks keep the size that production's have.
    let scale: Double

    /// Steps of the network in a lone transfer.
    private static let steps = 2_000.0
    /// The speed of a slow NIC, as a part of the others'.
    private static let slowSpeed = 0.1
    private static let corruption = Share(millionths: 50_000)

    /// - Throws: `WireError` when there are more chunks than a manifest may have.
    package init(_ distribution: Distribution, seed: UInt64) throws(WireError) {
        self.distribution = distribution
        self.seed = seed
        var settings = Self.settings(distribution, seed: seed)
        let scale = Double(settings.chunks) * Double(settings.chunkSize) / distribution.rankBytes
        self.scale = scale
        settings.zoneLink = distribution.link.map { $0 / Double(distribution.ranks) * scale }
        alone = try Self.lone(distribution, settings, scale)
        var generator = RandomStreams.generator(seed, .work)
        var plans = Self.plans(distribution, scale, &generator)
        let rate = distribution.rankNIC * scale
        plans += distribution.liars.plans(up: rate, down: rate, zones: distribution.zones, from: plans.count)
        var faults = RandomStreams.generator(seed, .faults)
        var moments: [(host: Int, fault: Distribution.Fault.Kind, at: UInt64)] = []
        for fault in distribution.faults {
            for host in Self.select(fault, plans, &faults) {
                let latest = UInt64(alone * fault.within / 100 * 1e9)
                let moment = UInt64.random(in: 0...max(latest, 1), using: &faults)
                if fault.kind == .corrupt { plans[host].corrupts = Self.corruption }
                moments.append((host, fault.kind, moment))
            }
        }
        swarm = try Swarm(plans, settings)
        for (host, kind, moment) in moments {
            switch kind {
            case .kill: swarm.kill(host, at: moment)
            case .freeze: swarm.freeze(host, at: moment, for: distribution.limit)
            case .corrupt: break
            }
        }
    }

    /// Runs to the end, in virtual time.
    package mutating func run() { swarm.run(limit: distribution.limit) }

    // MARK: What it is made of

    private static func settings(_ distribution: Distribution, seed: UInt64) -> SwarmSettings {
        var settings = SwarmSettings()
        settings.seed = RandomStreams.mixed(seed, RandomStreams.Purpose.network.rawValue)
        settings.chunks = distribution.chunks
        settings.latency = distribution.latency
        (settings.gossip, settings.refresh) = (distribution.gossip, distribution.refresh)
        settings.fanIn = distribution.tuning
        settings.ledger.slots = distribution.slots
        settings.fanIn.activeSources = distribution.fanIn
        settings.acquaintances = distribution.known
        settings.rolling = distribution.rolling
        settings.mutant = distribution.mutant
        settings.step = max(UInt64(distribution.wireSeconds * 1e9 / steps), Duration64.millisecond / 10)
        return settings
    }

    private static func plans(
        _ distribution: Distribution, _ scale: Double, _ generator: inout SeededGenerator
    ) -> [SwarmHostPlan] {
        let rate = distribution.rankNIC * scale
        let complete = distribution.sources
        let loading = complete + distribution.loaders
        return (0..<loading + distribution.targets).map { index in
            let isSlow = index >= complete && distribution.slow.happens(using: &generator)
            let speed = isSlow ? rate * slowSpeed : rate
            var plan = SwarmHostPlan(
                up: speed, down: speed, zone: index % distribution.zones, isOrigin: index < complete)
            if (complete..<loading).contains(index) {
                plan.disk = distribution.disk / Double(distribution.ranks) * scale
            }
            if index >= loading {
                plan.isServing = distribution.areRelays
                plan.startsAt = UInt64.random(in: 0...distribution.start, using: &generator)
            }
            return plan
        }
    }

    private static func select(
        _ fault: Distribution.Fault, _ plans: [SwarmHostPlan], _ generator: inout SeededGenerator
    ) -> [Int] {
        var candidates = plans.indices.filter { index in
            guard plans[index].lie == nil else { return false }
            let isTarget = !plans[index].isOrigin && plans[index].disk == nil
            switch fault.role {
            case .sources: return !isTarget
            case .targets: return isTarget
            case .all: return true
            }
        }
        let count = fault.share.of(candidates.count)
        for index in 0..<count {
            candidates.swapAt(index, Int.random(in: index..<candidates.count, using: &generator))
        }
        return candidates.prefix(count).sorted()
    }

    /// One source, one target, everything else the same; or what the disk takes.
    private static func lone(
        _ distribution: Distribution, _ settings: SwarmSettings, _ scale: Double
    ) throws(WireError) -> Double {
        guard distribution.sources > 0 else { return distribution.modelBytes / distribution.disk }
        var settings = settings
        settings.mutant = nil
        settings.rolling = nil
        let rate = distribution.rankNIC * scale
        var swarm = try Swarm(
            [SwarmHostPlan(up: rate, down: rate, isOrigin: true), SwarmHostPlan(up: rate, down: rate)], settings)
        swarm.run()
        return swarm.completions.first ?? distribution.wireSeconds
    }
}
