import EventThread
import Mesh
import PeerLogic
import Records
import Telemetry
import ZeroMQ

/// What `PeerHost` runs on its thread.
///
/// `@unchecked Sendable`: it is made before the thread runs, and from then on only work that the thread runs touches it:
/// `PeerHost` reaches it through `post` and `perform` alone, and every callback that it hands out is called on the thread.
final class PeerHostCore: @unchecked Sendable {
    private static let bootstrapThreads = 2
    private static let bootstrapQueue = 64

    private let thread: EventThread
    private let configuration: PeerHostConfiguration
    private let handler: any PeerEffectHandler
    private let curveSecretKey: [UInt8]
    private let bootstrapPool: WorkerPool
    private(set) var logic: PeerLogic
    private var sockets: MeshSockets?
    private var listener: BootstrapListener?
    private var tick: (timer: TimerID, deadline: UInt64)?
    private var isClosed = false
    private var nextMetrics: UInt64 = 0
    private let metrics = MeshMetrics()
    private let log = Log(component: "peer")

    init(
        thread: EventThread, configuration: PeerHostConfiguration, logic: PeerLogic, curveSecretKey: [UInt8],
        handler: any PeerEffectHandler
    ) throws(EventThreadError) {
        self.thread = thread
        self.configuration = configuration
        self.logic = logic
        self.curveSecretKey = curveSecretKey
        self.handler = handler
        bootstrapPool = try WorkerPool(
            name: "bootstrap", threads: Self.bootstrapThreads, capacity: Self.bootstrapQueue)
    }

    func start() throws -> Endpoints {
        let sockets = try MeshSockets(
            thread: thread, local: logic.local, publicKey: logic.certificate.curveKey, secretKey: curveSecretKey,
            ioThreads: configuration.ioThreads, backlog: configuration.backlog)
        self.sockets = sockets
        sockets.onMessage = { [unowned self] in handle(.message(from: $0, $1)) }
        sockets.onHello = { [unowned self] in handle(.hello($0, record: $1)) }
        sockets.onGossip = { [unowned self] in handle(.gossip(from: $0, $1, frame: $2)) }
        sockets.onDisconnected = { [unowned self] in handle(.disconnected($0)) }
        let listener = try BootstrapListener(
            thread: thread, address: configuration.bindAddress, port: configuration.bootstrapPort
        ) { [unowned self] in logic.bootstrapAnswer(to: $0, now: Self.now()) }
        self.listener = listener
        let ports = try sockets.bind(
            address: configuration.bindAddress, controlPort: configuration.controlPort,
            gossipPort: configuration.gossipPort)
        let endpoints = Endpoints(
            host: configuration.advertisedHost, bootstrapPort: listener.port, controlPort: ports.control,
            gossipPort: ports.gossip)
        handle(.start(endpoints))
        return endpoints
    }

    func handle(_ event: PeerEvent) {
        guard !isClosed else { return }
        metrics.count(event)
        for effect in logic.handle(event, now: Self.now()) { perform(effect) }
        scheduleTick()
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        if let tick { thread.cancel(tick.timer) }
        listener?.close()
        sockets?.close()
    }

    private func perform(_ effect: PeerEffect) {
        switch effect {
        case .mesh(let mesh): perform(mesh)
        case .log(let entry): write(entry)
        default: handler.perform(effect)
        }
    }

    private func perform(_ effect: MeshEffect) {
        metrics.count(effect)
        switch effect {
        case .bootstrap(let address): ask(address)
        case .connect(let peer, let key, let endpoints):
            sockets?.connect(peer, key, endpoints, now: MonotonicClock.now())
        case .subscribe(let peer, let key, let endpoints): sockets?.subscribe(peer, key, endpoints)
        case .disconnect(let peer): sockets?.disconnect(peer)
        case .block(let peer, let key, let nanoseconds): sockets?.block(peer, key, forNanoseconds: nanoseconds)
        case .admit(let key, let peer): sockets?.admit(key, as: peer)
        case .send(let peer, let message): sockets?.send(message, to: peer, now: MonotonicClock.now())
        case .unsubscribe(let peer): sockets?.unsubscribe(peer)
        case .publish(let peer, let head, let frame): sockets?.publish(to: peer, head, frame: frame)
        case .changed: handler.perform(.mesh(effect))
        }
    }

    /// Asks on a worker thread, since names resolve and connections open in their own time.
    private func ask(_ address: String) {
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]),
            let request = logic.bootstrapRequest()
        else { return handle(.bootstrapFailed(address: address, reason: "it is not HOST:PORT")) }
        var host = String(address[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        let thread = self.thread
        let name = host
        let isQueued = bootstrapPool.submit {
            let outcomes = BootstrapClient.ask(host: name, port: port, request: request)
            thread.post { [self] in
                for outcome in outcomes {
                    switch outcome {
                    case .answered(let answer):
                        handle(.bootstrapAnswered(address: address, request: request, answer: answer))
                    case .failed(let reason): handle(.bootstrapFailed(address: address, reason: reason))
                    }
                }
            }
        }
        if !isQueued { handle(.bootstrapFailed(address: address, reason: "too many names are being asked")) }
    }

    private func scheduleTick() {
        let now = MonotonicClock.now()
        let deadline = max(logic.nextDeadline, now + TransportLimits.shortestTick)
        if let tick {
            guard tick.deadline != deadline else { return }
            thread.cancel(tick.timer)
        }
        let timer = thread.schedule(at: deadline) { [unowned self] in
            tick = nil
            handle(.tick)
            showMetrics()
        }
        tick = (timer, deadline)
    }

    /// Walks over what the mesh knows, so not with every tick.
    private func showMetrics() {
        let now = Self.now()
        guard now.monotonic >= nextMetrics else { return }
        nextMetrics = now.monotonic + TransportLimits.metricsPeriod
        metrics.show(logic, now)
    }

    private func write(_ entry: PeerLogEntry) {
        let level: LogLevel =
            switch entry.level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        log.log(level, entry.message, entry.values.map { ($0.0, $0.1) })
    }

    static func now() -> Moment { Moment(monotonic: MonotonicClock.now(), wall: WallClock.now()) }
}
