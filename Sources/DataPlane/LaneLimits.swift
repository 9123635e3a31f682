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
    /// The most pieces of a chunk that are received straight into place; more are gathered in a buffer, since a call for
    /// each little tensor costs more than a copy.
    static let partsInPlace = 64
    /// Bytes that are copied between two looks at whether the lane closes.
    static let copiedBlock = 1024 * 1024
    /// How long a lane is silent about bytes of a read that goes on.
    static let arrivalPeriod: UInt64 = 20_000_000
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
    /// The most RDMA ports of one host that are used, and queue pairs of one lease.
    static let rdmaPorts = 8
    /// Requests posted to one queue pair and not completed.
    static let rdmaDepth = 64
    /// Bytes posted to one queue pair and not completed: several times what is in the wire of any fabric at once, and little enough
    /// that a slow port doesn't hoard what a fast one could bring.
    static let rdmaBytesInFlight = 8 * 1024 * 1024
    /// Bytes of one RDMA READ.
    static let rdmaRead = 1024 * 1024
    /// Reads that a queue pair answers at once.
    static let verbsReadsAtOnce = 16
    /// Bytes of a destination that are registered at a time: registering takes the memory, and the first read should not wait
    /// for all of it.
    static let rdmaSlice: UInt = 16 * 1024 * 1024
    /// How long a fresh queue pair has to bring its first byte.
    static let verbsProbe: UInt64 = 2_000_000_000
    /// How long a thread asks for completions without rest after the last one, while reads are in flight.
    static let rdmaSpin: UInt64 = 20_000
    /// Completions taken from a queue at a time.
    static let verbsCompletions = 32
    /// Answers are waited for 4.096 us x 2^this (67 ms), so many times more. Not 7 times, which Soft-RoCE takes for ever.
    static let verbsTimeout: UInt8 = 14
    static let verbsRetries: UInt8 = 6
    /// Bytes of a message that sets up a lane's queue pairs.
    static let rdmaMessage = 4096
    /// Bytes of the sentence in which a source declines.
    static let rdmaReason = 512
    /// Addresses of one port that are looked at.
    static let verbsAddresses = 256
    /// How long served memory stays registered after its last lease: another reader may come.
    static let rdmaLinger: UInt64 = 10_000_000_000
    /// Bytes of a UCX worker's address (69 with one RDMA device and UCX 1.13), and of a packed key (18).
    static let ucxAddress = 1024
    static let ucxKey = 250
    /// Bytes of UCX's description of an endpoint.
    static let ucxDescription = 16_384
    /// How long a fresh endpoint has to bring its first byte: packets of its own connect it before, and may have to be sent again.
    static let ucxProbe: UInt64 = 5_000_000_000
    /// How often a worker is asked for progress before others get their turn.
    static let ucxProgress = 64
    /// How long a worker with reads in flight waits without being asked.
    static let ucxTick: UInt64 = 2_000_000
    /// How long workers without reads rest that were woken for nothing.
    static let ucxRest: UInt64 = 10_000_000
}
