import Records
import Telemetry

/// Which leases are served, and which connections read under them. Any thread.
final class LeaseRegistry: Sendable {
    private struct Connection {
        let socket: Socket
        /// Set once the reader has proved that it holds it.
        var lease: LeaseID?
    }

    private struct State {
        var leases: [LeaseID: ServedLease] = [:]
        var connections: [UInt64: Connection] = [:]
        var nextConnection: UInt64 = 0
        var isStopped = false
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

    /// Takes a new connection in; nil when there are too many.
    func enter(_ socket: Socket) -> UInt64? {
        state.withLock { state in
            guard !state.isStopped, state.connections.count < maximumConnections else { return nil }
            state.nextConnection += 1
            state.connections[state.nextConnection] = Connection(socket: socket)
            return state.nextConnection
        }
    }

    /// Binds a connection to a lease, unless that has ended since it was looked up. From here on `end` cuts it.
    func bind(_ connection: UInt64, to lease: LeaseID) -> Bool {
        state.withLock { state in
            guard state.leases[lease] != nil, state.connections[connection] != nil else { return false }
            state.connections[connection]?.lease = lease
            return true
        }
    }

    func leave(_ connection: UInt64) {
        state.withLock { $0.connections[connection] = nil }
    }

    var connectionCount: Int { state.withLock { $0.connections.count } }
}
