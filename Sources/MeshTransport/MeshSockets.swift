package import EventThread
package import Records
import Telemetry
package import ZeroMQ

/// The ZeroMQ sockets of one peer, confined to its thread: a ROUTER and an XPUB that others connect to, a DEALER and an XSUB for
/// each neighbour. Every one of them speaks CURVE; ZAP admits keys as `Admissions` says, and `Admissions` judges each message
/// by its sender's key before it is looked into.
///
/// libzmq asks ZAP once for each connection and has no call to end one, so a connection that must go is cut by its descriptor
/// (`TCPConnection`), which harms nobody else. Where libzmq doesn't tell the descriptor the socket is bound anew: everybody's
/// connections end, ZAP refuses the one, and the others are back within a second.
package final class MeshSockets {
    struct Channel {
        var dealer: WatchedSocket
        let key: CurveKey
        let endpoint: String
        /// Since when no message was taken; nil while they are.
        var failingSince: UInt64?
        var subscriber: WatchedSocket?
        var gossipEndpoint = ""
        /// When a refused subscription is tried again.
        var resubscribeAt: UInt64?
    }

    struct Listening {
        let socket: WatchedSocket
        var endpoint = ""
        var isBound = false
        var nextRebind: UInt64 = 0
    }

    let thread: EventThread
    let local: PeerID
    let context: ZeroMQContext
    let loop: ZeroMQLoop
    let publicKey: CurveKey
    let secretKey: [UInt8]
    let backlog: Int32
    var zap: ZapServer?
    var listening: [SocketRole: Listening] = [:]
    var channels: [PeerID: Channel] = [:]
    var admissions = Admissions()
    let metrics = TransportMetrics()
    let log = Log(component: "mesh")
    private(set) var isClosed = false
    private var watchTimer: TimerID?
    private var isWatchHastened = false
    private var nextSweep: UInt64 = 0

    /// A message from an admitted channel or a neighbour.
    package var onMessage: ((PeerID, [UInt8]) -> Void)?
    /// A hello, with the CURVE key that its channel proved: never the one that the record claims.
    package var onHello: ((CurveKey, [UInt8]) -> Void)?
    package var onGossip: ((PeerID, GossipHead, [UInt8]) -> Void)?
    /// Our control connection to the peer ended, or its flood made us end it. Often within a millisecond of its death, so
    /// asking whether it lives needn't wait for pings.
    package var onDisconnected: ((PeerID) -> Void)?

    package init(
        thread: EventThread, local: PeerID, publicKey: CurveKey, secretKey: [UInt8], ioThreads: Int,
        backlog: Int32 = 1024
    ) throws(ZeroMQError) {
        self.thread = thread
        self.local = local
        context = try ZeroMQContext(ioThreads: ioThreads, maximumSockets: TransportLimits.sockets)
        loop = ZeroMQLoop(thread: thread)
        self.publicKey = publicKey
        self.secretKey = secretKey
        self.backlog = backlog
        watchLater(TransportLimits.watchPeriod)
    }

    /// The holder of the key is the peer; messages from its channel are the peer's.
    package func admit(_ key: CurveKey, as peer: PeerID) { admissions.admit(key, as: peer) }

    /// Nothing from this key for so long: ZAP refuses it, its connections end, and what they left behind is dropped. Afterwards
    /// it may greet like a stranger.
    package func block(_ peer: PeerID, _ key: CurveKey, forNanoseconds nanoseconds: UInt64) {
        let (end, overflow) = MonotonicClock.now().addingReportingOverflow(nanoseconds)
        admissions.block(key, until: overflow ? .max : end)
        for entry in listening.values { entry.socket.cutConnections(of: key, .blocked) }
        disconnect(peer)
    }

    package func close() {
        guard !isClosed else { return }
        isClosed = true
        if let watchTimer { thread.cancel(watchTimer) }
        for peer in Array(channels.keys) { closeChannel(peer) }
        for entry in listening.values { entry.socket.close() }
        listening.removeAll()
        zap?.close()
        loop.removeAll()
        context.terminate()
    }

    // MARK: Watching

    /// A stranger can fill memory in no time: the next look comes soon.
    func hastenWatch() {
        guard !isWatchHastened, !isClosed else { return }
        isWatchHastened = true
        if let watchTimer { thread.cancel(watchTimer) }
        watchLater(TransportLimits.strangerWatchPeriod)
    }

    private func watchLater(_ period: UInt64) {
        watchTimer = thread.schedule(after: period) { [unowned self] in watch(now: MonotonicClock.now()) }
    }

    private func watch(now: UInt64) {
        for (role, entry) in listening {
            entry.socket.watch(now: now)
            metrics.show(connections: entry.socket.connectionCount, at: role)
        }
        for (peer, channel) in channels {
            channel.dealer.watch(now: now)
            channel.subscriber?.watch(now: now)
            if let due = channel.resubscribeAt, due <= now { openSubscriber(peer) }
        }
        if now >= nextSweep {
            nextSweep = now + Duration64.second
            admissions.sweep(now: now)
            metrics.probation.set(admissions.probationCount)
            metrics.blocked.set(admissions.blockedCount)
        }
        isWatchHastened = listening.values.contains { $0.socket.hasStrangers }
        watchLater(isWatchHastened ? TransportLimits.strangerWatchPeriod : TransportLimits.watchPeriod)
    }

    // MARK: Dropping

    /// Counts the message; a final one ends its connection.
    func drop(_ message: ZeroMQMessage, _ reason: DroppedFrame, isFinal: Bool, at socket: WatchedSocket) {
        metrics.count(reason, at: socket.role)
        guard isFinal else { return }
        let cut: CutConnection =
            switch reason {
            case .unknown: .stranger
            case .blocked: .blocked
            case .overBudget, .oversized, .malformed: .flood
            }
        if !socket.cut(message, cut), socket.isServer { rebind(socket.role) }
    }

    static func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }
}
