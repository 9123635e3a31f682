import Records

/// Who reaches whom, how fast, and what is lost. Machines are named by their indices.
struct Network {
    struct Partition {
        let number: Int
        /// Whether each machine is among the selected ones.
        let isSelected: [Bool]
        let blocks: PartitionDirection
    }

    var settings: NetworkSettings
    private let seed: UInt64
    private let zones: Int
    private var generator: SeededGenerator
    private(set) var partitions: [Partition] = []
    private var partitionsMade = 0

    init(settings: NetworkSettings, zones: Int, seed: UInt64) {
        self.settings = settings
        self.zones = zones
        self.seed = RandomStreams.mixed(seed, RandomStreams.Purpose.pairs.rawValue)
        generator = RandomStreams.generator(seed, .network)
    }

    func zone(of machine: Int) -> Int { machine % zones }

    /// One-way delay of a message sent now, nanoseconds.
    mutating func latency(from: Int, to: Int) -> UInt64 {
        let inOneZone = zone(of: from) == zone(of: to)
        var latency: UInt64
        switch settings.drawn {
        case .message: latency = settings.latency.draw(inOneZone: inOneZone, using: &generator)
        case .pair:
            var own = SeededGenerator(seed: seed ^ UInt64(from) << 32 ^ UInt64(to))
            latency = settings.latency.draw(inOneZone: inOneZone, using: &own)
        }
        if settings.jitter.millionths > 0 {
            let spread = UInt64.random(in: 0...2 * settings.jitter.millionths, using: &generator)
            latency = latency / 1_000 * (1_000_000 - settings.jitter.millionths + spread) / 1_000
        }
        return latency
    }

    mutating func losesGossip() -> Bool { settings.gossipLoss.happens(using: &generator) }
    mutating func losesControl() -> Bool { settings.controlLoss.happens(using: &generator) }
    mutating func duplicates() -> Bool { settings.duplication.happens(using: &generator) }

    /// Pause before a connection is tried again after `attempt` failures, nanoseconds; libzmq draws it so.
    mutating func reconnectPause(attempt: Int) -> UInt64 {
        let doubled = settings.reconnect << UInt64(min(attempt, 20))
        return min(doubled, settings.longestReconnect) + UInt64.random(in: 0..<settings.reconnect, using: &generator)
    }

    // MARK: Partitions

    /// Parts the selected machines from all others; gives the partition's number.
    mutating func part(_ isSelected: [Bool], blocks: PartitionDirection) -> Int {
        partitionsMade += 1
        partitions.append(Partition(number: partitionsMade, isSelected: isSelected, blocks: blocks))
        return partitionsMade
    }

    mutating func heal(_ number: Int) { partitions.removeAll { $0.number == number } }

    mutating func healAll() { partitions.removeAll() }

    func isParted(_ number: Int) -> Bool { partitions.contains { $0.number == number } }

    func isCut(from: Int, to: Int) -> Bool {
        guard !partitions.isEmpty else { return false }
        return partitions.contains { partition in
            let (isFromSelected, isToSelected) = (partition.isSelected[from], partition.isSelected[to])
            guard isFromSelected != isToSelected else { return false }
            switch partition.blocks {
            case .both: return true
            case .inbound: return isToSelected
            case .outbound: return isFromSelected
            }
        }
    }

    /// Whether a connection between the two can't live.
    func isBroken(_ first: Int, _ second: Int) -> Bool {
        isCut(from: first, to: second) || isCut(from: second, to: first)
    }
}

/// Which way a partition blocks, seen from the selected machines.
package enum PartitionDirection: String, Hashable, Sendable, CaseIterable {
    case both
    case inbound = "in"
    case outbound = "out"
}
