import Records

/// What lies between the peers. Times are nanoseconds, shares parts per million.
package struct NetworkSettings: Hashable, Sendable {
    package enum Drawing: String, Hashable, Sendable, CaseIterable {
        /// Anew for each message.
        case message
        /// Once for each ordered pair of machines.
        case pair
    }

    package var latency = LatencyModel.uniform(200_000...1_000_000)
    package var drawn = Drawing.message
    /// How much a message's latency differs from what was drawn, up or down.
    package var jitter = Share.zero
    package var gossipLoss = Share.zero
    /// TCP loses nothing; this stands for what a full queue or a broken connection takes away.
    package var controlLoss = Share.zero
    /// Gossip frames that come twice.
    package var duplication = Share.zero
    /// Round trips until a connection is up: one for TCP, two for CURVE.
    package var handshakeRoundTrips = 3
    /// How long after its connection a subscription takes effect (measured: 3 to 4 ms on loopback).
    package var slowJoiner: UInt64 = 3 * Duration64.millisecond
    /// Messages of one neighbour that wait for a peer that is busy; further ones are dropped in silence.
    package var gossipQueue = 1_000
    package var controlQueue = 1_000
    /// Until a connection counts as dead when nothing comes through (ZMQ_TCP_MAXRT).
    package var connectionTimeout: UInt64 = 15 * Duration64.second
    /// First pause before connecting again, and the longest: it doubles (ZMQ_RECONNECT_IVL, ZMQ_RECONNECT_IVL_MAX).
    package var reconnect: UInt64 = 100 * Duration64.millisecond
    package var longestReconnect: UInt64 = 10 * Duration64.second
    /// How long a bootstrap port may take to answer.
    package var bootstrapTimeout: UInt64 = 2 * Duration64.second

    package init() {}
}

/// How long a peer's thread works. Times are nanoseconds.
package struct WorkSettings: Hashable, Sendable {
    /// For each event.
    package var message: UInt64 = 5_000
    /// For each signature that is verified (measured: 51 to 58 microseconds).
    package var verification: UInt64 = 55_000

    package init() {}
}

/// A part of a whole, in parts per million: exact, and the same everywhere.
package struct Share: Hashable, Sendable, CustomStringConvertible {
    package static let zero = Share(millionths: 0)
    package static let whole = Share(millionths: 1_000_000)

    package let millionths: UInt64

    package init(millionths: UInt64) { self.millionths = min(millionths, 1_000_000) }

    /// Whether a draw falls into this part.
    func happens(using generator: inout SeededGenerator) -> Bool {
        millionths > 0 && UInt64.random(in: 0..<1_000_000, using: &generator) < millionths
    }

    /// This part of a count, rounded to the nearest.
    func of(_ count: Int) -> Int { (count * Int(millionths) + 500_000) / 1_000_000 }

    package var description: String { "\(Double(millionths) / 10_000)%" }
}
