/// What a mesh has seen since its start, for metrics and for the simulator. Counts only, so that it costs next to nothing.
package struct MeshStatistics: Hashable, Sendable {
    /// Gossip frames that brought something new, and those that had been seen.
    package internal(set) var delivered: UInt64 = 0
    package internal(set) var duplicates: UInt64 = 0
    /// Frames missing by the counters of neighbours' gossip: dropped by a full queue or a lost connection.
    package internal(set) var missed: UInt64 = 0
    /// Frames published to neighbours, own and forwarded.
    package internal(set) var published: UInt64 = 0
    /// Digest exchanges begun, records and beacons that they brought, bytes given to others.
    package internal(set) var exchanges: UInt64 = 0
    package internal(set) var repaired: UInt64 = 0
    package internal(set) var bytesGiven: UInt64 = 0
    /// Snapshots made for others, their pages sent, and snapshots that were taken whole and that were given up.
    package internal(set) var snapshotsMade: UInt64 = 0
    package internal(set) var snapshotPages: UInt64 = 0
    package internal(set) var snapshotsTaken: UInt64 = 0
    package internal(set) var snapshotsAbandoned: UInt64 = 0
    /// Signatures of frames that were checked.
    package internal(set) var verifications: UInt64 = 0
    /// Peers whose validity ended without a goodbye.
    package internal(set) var expired: UInt64 = 0
    /// Ticks that came so late that this peer must have been paused.
    package internal(set) var lateTicks: UInt64 = 0
    /// Changes of the view: neighbours that were exchanged, and that were handed over to a newcomer.
    package internal(set) var shuffles: UInt64 = 0
    package internal(set) var handedOver: UInt64 = 0
    /// Edges that new gossip frames came over before.
    package internal(set) var hops = Spread(bounds: Array(0...15))
    /// Age of announcements and peers' records when gossip brought them, by both sides' wall clocks, milliseconds.
    package internal(set) var recordAge = Spread(bounds: Self.ageBounds)
    /// Age of beacons when gossip brought them, milliseconds.
    package internal(set) var beaconAge = Spread(bounds: Self.ageBounds)

    package init() {}

    private static let ageBounds: [Int64] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]

    /// The neighbour's word alone says how many, so the sum stays where it would overflow.
    mutating func noteMissed(_ count: UInt64) {
        let (sum, overflow) = missed.addingReportingOverflow(count)
        missed = overflow ? .max : sum
    }

    /// A frame that brought something new came over so many edges, so many milliseconds after it was signed.
    mutating func noteDelivery(hops count: UInt8, age: Int64, isBeacon: Bool) {
        delivered += 1
        hops.note(Int64(count))
        // Clocks differ: what seems to come from the future has just been said.
        if isBeacon { beaconAge.note(max(age, 0)) } else { recordAge.note(max(age, 0)) }
    }
}

/// How values are spread over classes.
package struct Spread: Hashable, Sendable {
    /// Upper bounds of the classes, rising; one for everything above is added.
    package let bounds: [Int64]
    package private(set) var counts: [UInt64]
    package private(set) var sum: Int64 = 0

    init(bounds: [Int64]) {
        self.bounds = bounds
        counts = [UInt64](repeating: 0, count: bounds.count + 1)
    }

    mutating func note(_ value: Int64) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum &+= value
    }
}
