import Records
package import Transfer

/// What a host of a swarm is at the start.
package struct SwarmHostPlan: Hashable, Sendable {
    /// Bytes a second, each way.
    package var up: Double
    package var down: Double
    package var zone = 0
    /// Has everything at the start; otherwise it wants everything.
    package var isOrigin = false
    /// Reads everything from its own disk at so many bytes a second, from when it begins; nil: it asks others.
    package var disk: Double?
    /// When it begins to want, nanoseconds. A rolling update sets it itself.
    package var startsAt: UInt64 = 0
    /// Whether others may read from it what it has.
    package var isServing = true
    /// Part of what it serves that comes with wrong bytes.
    package var corrupts = Share.zero
    /// How it lies; it has nothing then.
    package var lie: SwarmLie?

    package init(up: Double, down: Double, zone: Int = 0, isOrigin: Bool = false) {
        self.up = up
        self.down = down
        self.zone = zone
        self.isOrigin = isOrigin
    }
}

/// How a swarm's hosts behave and what lies between them. Times are nanoseconds, rates bytes a second.
package struct SwarmSettings: Sendable {
    package var chunks = 256
    package var chunkSize: UInt64 = 4 << 20
    /// One way.
    package var latency: UInt64 = 250_000
    /// How long an announcement takes to everybody.
    package var gossip = 100 * Duration64.millisecond
    /// How often everybody looks at what is announced.
    package var refresh = 50 * Duration64.millisecond
    package var havePeriod = 5 * Duration64.millisecond
    package var arrivalPeriod = 20 * Duration64.millisecond
    /// Time in which rates stay as they are.
    package var step = Duration64.millisecond
    /// Between two zones, each way; nil: no limit.
    package var zoneLink: Double?
    package var fanIn = FanInConfiguration()
    package var ledger = SourceLedger.Configuration()
    package var seed: UInt64 = 1
    /// Targets announce themselves when they begin, not when they have a first chunk.
    package var announcesEmpty = true
    /// How many others a host knows; nil: all.
    package var acquaintances: Int?
    /// A rolling update: so many targets at once are not ready, and for each one that is, one of the origins ends.
    package var rolling: Int?
    /// A fault in our own code, built in on purpose so that it is seen that an invariant catches it.
    package var mutant: SwarmMutant?

    package init() {}
}

/// Faults in our own code. Each is a lie that the simulator's shells tell the logic, never a switch in the logic.
package enum SwarmMutant: String, Hashable, Sendable, CaseIterable {
    /// A target takes every chunk for right.
    case verification
    /// A source hands out as many leases as are asked for.
    case slots
    /// A source promises a place to whoever asks, however many it has let in.
    case load
    /// A target hands more than one lane the same place to write to.
    case writers
    /// A source sends chunks that it doesn't have yet.
    case holdings
}
