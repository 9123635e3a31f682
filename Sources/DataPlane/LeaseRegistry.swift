import Records
import Telemetry

/// Which leases are served, and which connections read under them. Any thread.
///
/// Whoever reaches the port can connect, so a connection that has proved no lease keeps its place only until another needs
/// it: a flood costs its sender, not the readers.
final class LeaseRegistry: Sendable {
    private struct Connection {
        let socket: Socket
        /// Set once the reader has proved that it holds it.
        var lease: LeaseID?
        /// Its hello has come; one that says nothing goes first.
        var hasSpoken = false
    }

    private struct State {
        var leases: [LeaseID: ServedLease] = [:]
        /// Numbered as they come.
        var connections: [UInt64: Connection] = [:]
        /// Those cut to make room, until their threads have let go of them.
        var displaced: Set<UInt64> = []
        var nextConnection: UInt64 = 0
        var isStopped = false

        mutating func displace(_ connection: UInt64) -> Socket? {
            displaced.insert(connection)
            return connections.removeValue(forKey: connection)?.socket
        }

        /// The oldest connection without a lease, one that said nothing before others.
        func expendable() -> UInt64? {
            let unproved = connections.filter { $0.value.lease == nil }.sorted { $0.key < $1.key }
            let silent = unproved.first { !$0.value.hasSpoken && !$0.value.socket.hasInput }
            return (silent ?? unproved.first)?.key
        }
    }

    private let state = Guarded(State())
    private let maximumConnections: Int

    init(maximumConnections: Int) { self.maximumConnections = maximumConnections }

    func admit(_ lease: ServedLease) {
        state.withLock { if !$0.isStopped { $0.leases[lease.lease] = lease } }
    }

    func lease(_ id: LeaseID) -> ServedLease? { state.withLock { $0.leases[id] } }

    /// Forgets a lease and cuts its connections.
    func end(_ lease: LeaseID) {
        let sockets: [Socket] = state.withLock { state in
            state.leases[lease] = nil
            return state.connections.values.filter { $0.lease == lease }.map(\.socket)
        }
        for socket in sockets { socket.abort() }
    }

    /// Forgets all leases, cuts all connections and takes no new ones.
    func stop() {
        let sockets: [Socket] = state.withLock { state in
            state.isStopped = true
            state.leases = [:]
            return state.connections.values.map(\.socket)
        }
        for socket in sockets { socket.abort() }
    }

    /// Takes a new connection in, if need be in the place of one that has proved no lease; nil when all places are proved.
    func enter(_ socket: Socket) -> UInt64? {
        let (connection, displaced): (UInt64?, Socket?) = state.withLock { state in
            guard !state.isStopped else { return (nil, nil) }
            var displaced: Socket?
            if isFull(state) {
                guard let expendable = state.expendable() else { return (nil, nil) }
                displaced = state.displace(expendable)
            }
            state.nextConnection += 1
            state.connections[state.nextConnection] = Connection(socket: socket)
            return (state.nextConnection, displaced)
        }
        displaced?.abort()
        return connection
    }

    private func isFull(_ state: State) -> Bool {
        state.connections.count >= maximumConnections
            || state.connections.values.count { $0.lease == nil } >= LaneLimits.unprovedConnections
    }

    /// Whether so many displaced connections still keep threads that no more should come now.
    var isBehind: Bool { state.withLock { $0.displaced.count >= maximumConnections } }

    func noteHello(of connection: UInt64) { state.withLock { $0.connections[connection]?.hasSpoken = true } }

    /// Binds a connection to a lease, unless that has ended since it was looked up. From here on `end` cuts it. The lease's
    /// oldest connection makes room when there are too many of it.
    func bind(_ connection: UInt64, to lease: LeaseID) -> Bool {
        let (isBound, displaced): (Bool, Socket?) = state.withLock { state in
            guard state.leases[lease] != nil, state.connections[connection] != nil else { return (false, nil) }
            let others = state.connections.filter { $0.value.lease == lease }.keys
            state.connections[connection]?.lease = lease
            guard others.count >= LaneLimits.leaseConnections, let oldest = others.min() else { return (true, nil) }
            return (true, state.displace(oldest))
        }
        displaced?.abort()
        return isBound
    }

    /// Forgets a connection. Returns whether it was displaced before.
    func leave(_ connection: UInt64) -> Bool {
        state.withLock { state in
            state.connections[connection] = nil
            return state.displaced.remove(connection) != nil
        }
    }

    var connectionCount: Int { state.withLock { $0.connections.count } }
}
