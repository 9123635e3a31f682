/// Bounds of the data plane. Times are nanoseconds.
enum LaneLimits {
    /// How long a reader tries to connect to one address.
    static let connectTimeout: UInt64 = 5_000_000_000
    /// How long a reader waits for each step of a handshake, and for each batch of descriptors.
    static let openTimeout: UInt64 = 10_000_000_000
    /// How long the rest of a request that has begun may take.
    static let frameTimeout: UInt64 = 5_000_000_000
    /// How long a connection may take nothing of what is sent to it. A reader whose disk stalls is slow, not dead, and
    /// its lease ends sooner than this if it stops renewing.
    static let sendStall: UInt64 = 30_000_000_000
    /// How long accepting pauses when no descriptor is left.
    static let acceptPause: UInt64 = 100_000_000
    /// How long accepting pauses for threads to let go of displaced connections.
    static let displacedPause: UInt64 = 1_000_000
    /// The most connections of a source that have proved no lease. A proof takes milliseconds; who lets more than these
    /// come before it is displaced by them.
    static let unprovedConnections = 32
    /// The most connections of one lease at a source, over both lanes: one lane's and those that replace it.
    static let leaseConnections = 4
    /// Connections accepted before other work of the accepting thread gets its turn.
    static let acceptBatch = 64
    /// The kernel's queue of connections that nobody has accepted yet.
    static let backlog: Int32 = 128
    /// The most reads in flight on one lane, whatever a grant says.
    static let windowMaximum = 1024
    /// Reads that may wait on one lane for room in its window.
    static let waitingReads = 4096
    /// The most connections of one TCP lane; more would displace each other at the source.
    static let connectionsMaximum = leaseConnections
    /// Bytes that are digested right after they arrived, so that they still lie in the second-level cache.
    static let hotBlock = 256 * 1024
    /// Bytes that a rate limit lets through at a time.
    static let throttledSlice = 64 * 1024
    /// Descriptors in one message of the shared memory lane (the kernel takes 253).
    static let descriptorsInBatch = 64
    /// Bytes of a Unix socket's path: sun_path without its zero.
    static let socketPath = 107
    /// Seconds after which a half-made socket of a killed peer counts as abandoned.
    static let abandonedSocketAge = 60
    /// Names looked at in the host's socket folder.
    static let directoryEntries = 65_536
    /// Seconds of silence after which the kernel asks whether the other side still lives, between its questions, and how
    /// often it asks.
    static let keepaliveIdle: Int32 = 15
    static let keepaliveInterval: Int32 = 5
    static let keepaliveProbes: Int32 = 4
    /// Milliseconds that sent bytes may stay without acknowledgement.
    static let userTimeout: Int32 = 30_000
}
