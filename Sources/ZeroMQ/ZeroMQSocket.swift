import CZeroMQ
import Glibc
import Telemetry

/// One socket. It belongs to one thread, which makes, uses and closes it; nothing here waits.
package final class ZeroMQSocket {
    /// What `receive` found.
    enum Arrival {
        case message(ZeroMQMessage)
        /// A message with too many frames, which is gone.
        case dropped
        case nothing
    }

    /// How many dropped messages `receive` passes over before it lets others have their turn.
    private static let maximumDroppedInARow = 256

    private static let droppedMessages = Metrics.shared.counter(
        "modelexpress_zeromq_dropped_messages_total", help: "Received messages dropped before anybody saw them.",
        labels: [("reason", "too_many_frames")])

    /// Whether the loop has to ask for input: the descriptor fired, or a call may have swallowed its news.
    var mayHaveInput = true
    /// What it is.
    package let kind: ZeroMQSocketKind
    private let context: ZeroMQContext
    private var socket: UnsafeMutableRawPointer?
    private var openMonitor: ZeroMQMonitor?
    /// On the heap, since libzmq forbids moving a message; empty between calls.
    private let message = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: 1)

    /// Makes a socket that isn't bound or connected yet.
    package init(
        context: ZeroMQContext, kind: ZeroMQSocketKind, options: ZeroMQSocketOptions = ZeroMQSocketOptions()
    ) throws(ZeroMQError) {
        self.context = context
        self.kind = kind
        let opened = try context.openSocket(kind.number)
        socket = opened
        try options.apply(to: ZeroMQOptionSetter(socket: opened), kind: kind)
    }

    deinit {
        close()
        message.deallocate()
    }

    /// Closes it, and its monitor; what waits to be sent is dropped. Take it out of its `ZeroMQLoop` first. Again does
    /// nothing, and every other call throws afterwards.
    package func close() {
        guard let open = socket else { return }
        socket = nil
        if let openMonitor {
            // libzmq must stop writing events before their reader goes.
            zmq_socket_monitor(open, nil, 0)
            openMonitor.socket.close()
        }
        openMonitor = nil
        context.closeSocket(open)
    }

    // MARK: Endpoints

    /// Listens on an endpoint such as `tcp://*:8003`; port 0 lets the system choose.
    ///
    /// - Returns: the endpoint as it really is, with the port.
    @discardableResult
    package func bind(_ endpoint: String) throws(ZeroMQError) -> String {
        // libzmq knows 0 on an address, but only * after *.
        let written = endpoint.hasPrefix("tcp://*:0") ? "tcp://*:*" : endpoint
        guard zmq_bind(try open("bind"), written) == 0 else { throw ZeroMQError.last("bind", endpoint) }
        return try lastEndpoint()
    }

    /// Listens on the endpoint, as `bind` returned it, no longer. libzmq ends the connections that came in there, a moment
    /// later; clients connect again by themselves. The port is free a moment later, too.
    package func unbind(_ endpoint: String) throws(ZeroMQError) {
        guard zmq_unbind(try open("unbind"), endpoint) == 0 else { throw ZeroMQError.last("unbind", endpoint) }
    }

    /// Connects in the background, again and again until `disconnect` or `close`.
    package func connect(_ endpoint: String) throws(ZeroMQError) {
        guard zmq_connect(try open("connect"), endpoint) == 0 else { throw ZeroMQError.last("connect", endpoint) }
    }

    /// Ends what `connect` with the same endpoint began.
    package func disconnect(_ endpoint: String) throws(ZeroMQError) {
        guard zmq_disconnect(try open("disconnect"), endpoint) == 0 else {
            throw ZeroMQError.last("disconnect", endpoint)
        }
    }

    // MARK: Messages

    /// Sends one message of one or more frames; at a ROUTER the first is the receiver's routing id.
    ///
    /// - Returns: false when it was not taken: the queue is full, or nobody is there.
    package func send(_ frames: [[UInt8]]) throws(ZeroMQError) -> Bool {
        precondition(!frames.isEmpty, "a message has a frame")
        let open = try open("send")
        for (index, frame) in frames.enumerated() {
            let more = index + 1 < frames.count ? ZMQ_SNDMORE : 0
            var status: Int32
            repeat {
                status = zmq_send(open, frame, frame.count, ZMQ_DONTWAIT | more)
            } while status < 0 && zmq_errno() == EINTR
            guard status < 0 else { continue }
            if zmq_errno() == EAGAIN || zmq_errno() == EHOSTUNREACH { return false }
            throw ZeroMQError.last("send")
        }
        return true
    }

    /// The next message; nil when there is none now. Messages with too many frames are passed over.
    package func receive() throws(ZeroMQError) -> ZeroMQMessage? {
        for _ in 0..<Self.maximumDroppedInARow {
            switch try receiveOne() {
            case .message(let message): return message
            case .nothing: return nil
            case .dropped: continue
            }
        }
        return nil
    }

    /// SUB and XSUB: asks for messages whose first bytes are `prefix`.
    package func subscribe(_ prefix: [UInt8]) throws(ZeroMQError) {
        guard kind != .xsub else {
            // libzmq keeps it and says it to every connection that comes to stand.
            _ = try send([[1] + prefix])
            return
        }
        try ZeroMQOptionSetter(socket: try open("subscribe")).set(ZMQ_SUBSCRIBE, "subscribe", prefix)
    }

    /// SUB: takes back one `subscribe` with the same prefix.
    package func unsubscribe(_ prefix: [UInt8]) throws(ZeroMQError) {
        try ZeroMQOptionSetter(socket: try open("unsubscribe")).set(ZMQ_UNSUBSCRIBE, "unsubscribe", prefix)
    }

    // MARK: Waiting

    /// libzmq's descriptor, -1 once closed. It is readable when something may have changed, in either direction, and only
    /// once: then `hasInput` must be asked until it is false. `ZeroMQLoop` does that.
    package var fileDescriptor: Int32 { (try? integer(ZMQ_FD)) ?? -1 }

    /// Whether `receive` would give a message now.
    package var hasInput: Bool { ((try? integer(ZMQ_EVENTS)) ?? 0) & Int32(ZMQ_POLLIN) != 0 }

    /// Reports what happens to this socket's connections. One monitor for each socket; it is closed with the socket.
    package func monitor(_ events: ZeroMQMonitorEvents = .connections) throws(ZeroMQError) -> ZeroMQMonitor {
        precondition(openMonitor == nil, "the socket has a monitor already")
        let made = try ZeroMQMonitor(context: context, observing: try open("monitor"), events: events)
        openMonitor = made
        return made
    }

    // MARK: Inside

    func receiveOne() throws(ZeroMQError) -> Arrival {
        var received = ZeroMQMessage(frames: [])
        var count = 0
        var isMore = true
        while isMore {
            guard try receiveFrame() else { return .nothing }
            defer { zmq_msg_close(message) }
            isMore = zmq_msg_more(message) != 0
            count += 1
            guard count <= ZeroMQMessage.maximumFrames else { continue }
            received.frames.append(frameBytes())
            if !isMore { readProperties(into: &received) }
        }
        guard count <= ZeroMQMessage.maximumFrames else {
            Self.droppedMessages.increment()
            return .dropped
        }
        return .message(received)
    }

    /// Fills `message`, which must then be closed; false when there is nothing.
    private func receiveFrame() throws(ZeroMQError) -> Bool {
        let open = try open("receive", isReading: true)
        zmq_msg_init(message)
        while zmq_msg_recv(message, open, ZMQ_DONTWAIT) < 0 {
            let code = zmq_errno()
            if code == EINTR { continue }
            zmq_msg_close(message)
            if code == EAGAIN { return false }
            throw ZeroMQError(operation: "receive", subject: "", code: code)
        }
        return true
    }

    private func frameBytes() -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message)))
    }

    private func readProperties(into received: inout ZeroMQMessage) {
        if let user = zmq_msg_gets(message, "User-Id") { received.userID = String(cString: user) }
        if let address = zmq_msg_gets(message, "Peer-Address") {
            received.peerAddress = PeerAddress.normalised(String(cString: address))
        }
        // What ZMQ_SRCFD reads, too. A descriptor may be used again: whoever acts on it asks the kernel which socket it is.
        if let descriptor = zmq_msg_gets(message, "__fd") { received.descriptor = Int32(String(cString: descriptor)) }
    }

    /// - Parameter isReading: reading goes on until there is no input, so that it leaves no news behind.
    private func open(
        _ operation: String, isReading: Bool = false
    ) throws(ZeroMQError) -> UnsafeMutableRawPointer {
        if !isReading { mayHaveInput = true }
        guard let socket else { throw ZeroMQError(operation: operation, subject: "", code: ENOTSOCK) }
        return socket
    }

    func integer(_ option: Int32) throws(ZeroMQError) -> Int32 {
        var value: Int32 = 0
        var size = MemoryLayout<Int32>.size
        guard zmq_getsockopt(try open("ask", isReading: true), option, &value, &size) == 0 else {
            throw ZeroMQError.last("ask")
        }
        return value
    }

    func wideInteger(_ option: Int32) throws(ZeroMQError) -> Int64 {
        var value: Int64 = 0
        var size = MemoryLayout<Int64>.size
        guard zmq_getsockopt(try open("ask", isReading: true), option, &value, &size) == 0 else {
            throw ZeroMQError.last("ask")
        }
        return value
    }

    func text(_ option: Int32) throws(ZeroMQError) -> String {
        var text = [UInt8](repeating: 0, count: 1024)
        var size = text.count
        guard zmq_getsockopt(try open("ask", isReading: true), option, &text, &size) == 0 else {
            throw ZeroMQError.last("ask for a text")
        }
        return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    }

    private func lastEndpoint() throws(ZeroMQError) -> String { try text(ZMQ_LAST_ENDPOINT) }
}

extension ZeroMQSocketKind {
    /// libzmq's number.
    fileprivate var number: Int32 {
        switch self {
        case .xpub: ZMQ_XPUB
        case .sub: ZMQ_SUB
        case .xsub: ZMQ_XSUB
        case .router: ZMQ_ROUTER
        case .dealer: ZMQ_DEALER
        case .rep: ZMQ_REP
        case .req: ZMQ_REQ
        case .pair: ZMQ_PAIR
        }
    }
}
