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
    /// Signatures of frames that were checked.
    package internal(set) var verifications: UInt64 = 0
    /// Peers whose validity ended without a goodbye.
    package internal(set) var expired: UInt64 = 0
    /// Ticks that came so late that this peer must have been paused.
    package internal(set) var lateTicks: UInt64 = 0
    /// Changes of the view: neighbours that were exchanged, and that were handed over to a newcomer.
    package internal(set) var shuffles: UInt64 = 0
    package internal(set) var handedOver: UInt64 = 0
    /// New gossip frames by the edges that they came over before: 0, 1, ... 15 and more.
    package internal(set) var hops = [UInt64](repeating: 0, count: 16)
    /// New gossip frames by their age when they came, in the classes of `lagBounds` and one for all above.
    package internal(set) var lag = [UInt64](repeating: 0, count: Self.lagBounds.count + 1)
    /// Sum of those ages, milliseconds.
    package internal(set) var lagSum: UInt64 = 0

    /// Upper bounds of the classes of `lag`, milliseconds.
    package static let lagBounds: [Int64] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]

    /// A frame that brought something new came over so many edges, so many milliseconds after it was signed.
    mutating func noteDelivery(hops count: UInt8, age: Int64) {
        delivered += 1
        hops[min(Int(count), hops.count - 1)] += 1
        // Clocks differ: what seems to come from the future has just been said.
        let age = max(age, 0)
        lag[Self.lagBounds.firstIndex { age <= $0 } ?? Self.lagBounds.count] += 1
        lagSum += UInt64(age)
    }
}
