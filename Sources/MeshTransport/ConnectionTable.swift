import Records

/// The TCP connections of one socket: whose they are, and how much of what came on them was handed over. Times are
/// nanoseconds on the monotonic clock.
struct ConnectionTable {
    private struct Entry {
        let connection: TCPConnection
        let since: UInt64
        /// Whose frames came on it last.
        var key: CurveKey?
        /// Whether a peer's frame came on it.
        var isProven: Bool
        var deliveredBytes: UInt64 = 0
        var isCut = false
    }

    /// Whether others connect to the socket. Whom we connect to CURVE has checked.
    private let isServer: Bool
    private let bound: Int
    private var entries: [Int32: Entry] = [:]

    /// - Parameter bound: how many connections may stand.
    init(isServer: Bool, bound: Int = TransportLimits.connections) {
        self.isServer = isServer
        self.bound = bound
    }

    var count: Int { entries.count }

    /// Whether it has a connection of which nobody knows whose it is.
    var hasStrangers: Bool { entries.values.contains { !$0.isProven } }

    /// A connection came to stand.
    ///
    /// - Returns: connections to be cut since there are too many: the oldest sixteenth of the strangers'. An honest one shows
    ///   its chain within milliseconds.
    mutating func opened(_ descriptor: Int32, now: UInt64) -> [TCPConnection] {
        guard let connection = TCPConnection(descriptor: descriptor) else { return [] }
        // A message may have come first.
        if entries[descriptor]?.connection != connection {
            entries[descriptor] = Entry(connection: connection, since: now, isProven: !isServer)
        }
        guard entries.count > bound else { return [] }
        let strangers = entries.values.filter { !$0.isProven && !$0.isCut }.sorted {
            ($0.since, $0.connection.descriptor) < ($1.since, $1.connection.descriptor)
        }
        return strangers.prefix(max(1, strangers.count / 16)).map(\.connection)
    }

    /// The connection was cut; its entry stays until libzmq has noticed.
    mutating func cut(_ connection: TCPConnection) { entries[connection.descriptor]?.isCut = true }

    mutating func closed(_ descriptor: Int32) { entries[descriptor] = nil }

    mutating func removeAll() { entries.removeAll() }

    /// A message of the key, of so many bytes on the wire, was handed over.
    mutating func delivered(_ descriptor: Int32, key: CurveKey?, bytes: UInt64, now: UInt64) {
        if entries[descriptor] == nil { _ = opened(descriptor, now: now) }
        entries[descriptor]?.key = key
        entries[descriptor]?.deliveredBytes += bytes
    }

    /// A peer's message came on it.
    mutating func prove(_ descriptor: Int32) { entries[descriptor]?.isProven = true }

    /// Nil when it is cut already.
    func connection(_ descriptor: Int32) -> TCPConnection? {
        guard let entry = entries[descriptor], !entry.isCut else { return nil }
        return entry.connection
    }

    func connections(of key: CurveKey) -> [TCPConnection] {
        entries.values.filter { $0.key == key && !$0.isCut }.map(\.connection)
    }

    /// Connections that hold too much, or that nobody vouched for in time. Entries of connections that are gone go.
    mutating func judge(now: UInt64) -> [(TCPConnection, CutConnection)] {
        var cut: [(TCPConnection, CutConnection)] = []
        for (descriptor, entry) in entries {
            guard let received = entry.connection.receivedBytes else {
                entries[descriptor] = nil
                continue
            }
            guard !entry.isCut else { continue }
            let unread = received - min(received, entry.deliveredBytes)
            if unread > (entry.isProven ? TransportLimits.unreadBytes : TransportLimits.unreadBytesOfStranger) {
                cut.append((entry.connection, .unread))
            } else if !entry.isProven, now > entry.since + TransportLimits.strangerTime {
                cut.append((entry.connection, .stranger))
            }
        }
        return cut
    }

    /// What the frames of a message take on the wire with CURVE: each is sealed, and has a head of 2 or 9 bytes.
    static func wireBytes(_ frames: ArraySlice<[UInt8]>) -> UInt64 {
        frames.reduce(0) { sum, frame in
            let sealed = UInt64(frame.count + sealBytes)
            return sum + sealed + (sealed > shortFrame ? 9 : 2)
        }
    }

    /// "\x07MESSAGE", 8 bytes of nonce, 16 of authenticator, a byte of flags (ZeroMQ RFC 26).
    private static let sealBytes = 33
    private static let shortFrame: UInt64 = 255
}
