/// Which reads of a TCP lane wait, and which are in flight on which connection: the bookkeeping of `TCPLaneReader`, without a
/// socket. A read is in one place at a time, and who takes it out owes its outcome.
struct TCPReadQueues {
    struct InFlight: Equatable {
        let id: UInt32
        let read: LaneRead
    }

    private let window: Int
    private var waiting: [LaneRead] = []
    private var inFlight: [[InFlight]]
    private var nextID: UInt32 = 0

    init(window: Int, connections: Int) {
        self.window = window
        inFlight = [[InFlight]](repeating: [], count: connections)
    }

    /// False when too many wait.
    mutating func append(_ read: LaneRead) -> Bool {
        guard waiting.count < LaneLimits.waitingReads else { return false }
        waiting.append(read)
        return true
    }

    /// The next read to be sent and the connection with the least to do; nil when none waits or the window is full.
    mutating func start() -> (connection: Int, read: InFlight)? {
        guard !waiting.isEmpty, inFlight.reduce(0, { $0 + $1.count }) < window,
            let connection = inFlight.indices.min(by: { inFlight[$0].count < inFlight[$1].count })
        else { return nil }
        let read = InFlight(id: nextID, read: waiting.removeFirst())
        nextID &+= 1
        inFlight[connection].append(read)
        return (connection, read)
    }

    /// The read that the next response of a connection must be for; it stays in flight.
    func head(of connection: Int) -> InFlight? { inFlight[connection].first }

    /// Takes the head out, all of whose bytes have come.
    mutating func finishHead(of connection: Int) {
        inFlight[connection].removeFirst()
    }

    /// Takes everything out.
    mutating func takeAll() -> [LaneRead] {
        let all = inFlight.flatMap { $0.map(\.read) } + waiting
        waiting = []
        inFlight = inFlight.map { _ in [] }
        return all
    }
}
