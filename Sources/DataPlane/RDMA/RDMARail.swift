import Telemetry

/// One way from a port of ours to one of the source's, over which a lane reads: a queue pair of its own, or an endpoint of UCX.
/// Constants may be read and memory registered on any thread; all else happens on the pump's.
protocol RDMARail: AnyObject, Sendable {
    /// Our port.
    var device: String { get }
    var port: UInt8 { get }
    /// For people: both ports, addresses and why these.
    var text: String { get }
    var bytesRead: Counter { get }
    /// Registers memory that reads fill. Blocks.
    func register(
        _ bytes: UnsafeMutableRawBufferPointer, of owner: AnyObject
    ) throws(RDMAError) -> DestinationRegions.Registration

    /// False once it is closed.
    var isOpen: Bool { get }
    /// Asks for bytes. Returns why it could not; else the driver tells the flow how it ended.
    func read(_ segment: RDMASchedule.Segment, id: UInt64, localKey: UInt32) -> String?
    /// Ends it by force, once. Calls `done` when nothing that was in flight can write any more.
    func close(_ done: @escaping () -> Void)
}

/// What became of a read.
enum RDMAOutcome {
    case arrived
    /// The other side answered, and doesn't let us: no other rail helps.
    case denied(String)
    /// The rail is broken.
    case lost(String)
}

/// Brings the completions of a lane's rails to its flow. On the pump's thread.
protocol RDMADriver: AnyObject {
    /// How long a rail has to bring its first byte, nanoseconds.
    var probeLimit: UInt64 { get }
    func begin(_ rails: [any RDMARail], _ flow: RDMAFlow)
    /// A rail is being closed.
    func forget(_ rail: any RDMARail)
    /// Reads were posted.
    func kick()
    func end()
}
