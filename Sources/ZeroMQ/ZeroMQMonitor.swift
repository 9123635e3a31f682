import CZeroMQ
import Synchronization

/// Which events a monitor reports.
package struct ZeroMQMonitorEvents: OptionSet, Sendable {
    package let rawValue: Int32

    package init(rawValue: Int32) { self.rawValue = rawValue }

    /// A TCP connection stands; the handshake follows.
    package static let connected = ZeroMQMonitorEvents(rawValue: ZMQ_EVENT_CONNECTED)
    /// Connecting failed; it is tried again.
    package static let connectRetried = ZeroMQMonitorEvents(rawValue: ZMQ_EVENT_CONNECT_RETRIED)
    /// A connection came in.
    package static let accepted = ZeroMQMonitorEvents(rawValue: ZMQ_EVENT_ACCEPTED)
    /// A connection ended.
    package static let disconnected = ZeroMQMonitorEvents(rawValue: ZMQ_EVENT_DISCONNECTED)
    /// Both sides may send.
    package static let handshakeSucceeded = ZeroMQMonitorEvents(rawValue: ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
    /// The handshake failed, for any of its reasons.
    package static let handshakeFailed = ZeroMQMonitorEvents(
        rawValue: ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
            | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

    /// Whether a neighbour can be talked to, and why not.
    package static let connections: ZeroMQMonitorEvents = [
        .connected, .connectRetried, .accepted, .disconnected, .handshakeSucceeded, .handshakeFailed,
    ]
}

/// Something that happened to a connection.
package struct ZeroMQMonitorEvent: Sendable, Equatable {
    /// What happened.
    package enum Kind: Sendable, Equatable {
        case connected
        /// Connecting is tried again after so many milliseconds.
        case connectRetried(interval: Int32)
        case accepted
        case disconnected
        case handshakeSucceeded
        /// The connection ended during the handshake.
        case handshakeFailed
        /// The other side speaks another protocol or CURVE with another key; libzmq's number says more.
        case handshakeFailedProtocol(code: Int32)
        /// ZAP refused, with this status.
        case handshakeFailedAuthentication(status: Int32)
        /// An event that wasn't asked for.
        case other(number: UInt16)
    }

    /// What happened.
    package var kind: Kind
    /// The endpoint it happened to.
    package var endpoint: String
    /// The TCP connection that it happened to, for those kinds that name one.
    package var descriptor: Int32?

    /// Two frames: the event's number and value in this machine's byte order, and the endpoint.
    init?(_ message: ZeroMQMessage) {
        guard message.frames.count == 2, message.frames[0].count == 6 else { return nil }
        let (number, value) = message.frames[0].withUnsafeBytes { bytes in
            (bytes.loadUnaligned(as: UInt16.self), bytes.loadUnaligned(fromByteOffset: 2, as: Int32.self))
        }
        kind = Self.kind(number: number, value: value)
        endpoint = String(decoding: message.frames[1], as: UTF8.self)
        switch kind {
        case .connected, .accepted, .disconnected: descriptor = value
        default: descriptor = nil
        }
    }

    private static func kind(number: UInt16, value: Int32) -> Kind {
        switch Int32(number) {
        case ZMQ_EVENT_CONNECTED: .connected
        case ZMQ_EVENT_CONNECT_RETRIED: .connectRetried(interval: value)
        case ZMQ_EVENT_ACCEPTED: .accepted
        case ZMQ_EVENT_DISCONNECTED: .disconnected
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: .handshakeSucceeded
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: .handshakeFailed
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: .handshakeFailedProtocol(code: value)
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: .handshakeFailedAuthentication(status: value)
        default: .other(number: number)
        }
    }
}

/// The events of one socket, on the thread that has the socket. Made by `ZeroMQSocket.monitor`, closed by its `close`.
package final class ZeroMQMonitor {
    /// Events that may wait. When that many do, libzmq's I/O thread waits for us, so it is far more than a busy moment has.
    private static let highWater: Int32 = 65_536
    private static let lastNumber = Atomic<UInt64>(0)

    /// Where the events come out, for a `ZeroMQLoop`; not to be sent to or closed.
    let socket: ZeroMQSocket

    init(
        context: ZeroMQContext, observing observed: UnsafeMutableRawPointer, events: ZeroMQMonitorEvents
    ) throws(ZeroMQError) {
        let number = Self.lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
        let endpoint = "inproc://modelexpress.monitor.\(number)"
        var options = ZeroMQSocketOptions()
        options.receiveHighWater = Self.highWater
        socket = try ZeroMQSocket(context: context, kind: .pair, options: options)
        guard zmq_socket_monitor(observed, endpoint, events.rawValue) == 0 else {
            throw ZeroMQError.last("monitor", endpoint)
        }
        do throws(ZeroMQError) {
            try socket.connect(endpoint)
        } catch {
            zmq_socket_monitor(observed, nil, 0)
            throw error
        }
    }

    /// The next event; nil when there is none now.
    package func receive() throws(ZeroMQError) -> ZeroMQMonitorEvent? {
        try socket.receive().flatMap { ZeroMQMonitorEvent($0) }
    }
}
