import EventThread
import Telemetry

/// UCX on this host's RDMA ports, for a fabric that the operator trusts: opened once for a process, used by both sides of all its
/// UCX lanes.
///
/// One thread moves the bytes of all of them, and does what the sources' side of UCX has to do; nothing else touches the
/// workers. The owner calls `stop` before letting it go.
package final class UCXFabric: Sendable {
    let ports: VerbsFabric
    let served: ServedRegions<UCXRegion>
    /// The workers that read, one for each port.
    let readers: [UCXWorker]
    let thread: EventThread
    // Confined to the thread, see UCXEngine.
    nonisolated(unsafe) let engine: UCXEngine
    /// By device: workers that no lease has yet.
    private let spares = Guarded<[ObjectIdentifier: UCXWorker]>([:])
    private let log = Log(component: "rdma")

    /// Loads UCX and opens the ports that `ports` chose.
    ///
    /// - Parameter ports: outlives this; the owner stops it afterwards.
    /// - Throws: when there is no UCX, or it finds no RDMA on any port: then there is no such lane for this process.
    package init(_ settings: UCXSettings, ports: VerbsFabric) throws(RDMAError) {
        self.ports = ports
        let version = try UCXLibrary.load()
        var readers: [UCXWorker] = []
        var reasons: [String] = []
        for rail in try ports.rails() {
            guard settings.allows(rail.choice.port) else {
                reasons.append("\(rail.choice.port.name) is not in UCX_NET_DEVICES")
                continue
            }
            do throws(RDMAError) {
                let entries = try settings.entries(for: rail.choice, ports.settings)
                readers.append(try UCXWorker(on: UCXDevice(rail.choice, entries)))
            } catch {
                reasons.append("\(error)")
            }
        }
        guard !readers.isEmpty else { throw .noPort(reasons) }
        self.readers = readers
        do throws(EventThreadError) {
            thread = try EventThread(name: "rdma-ucx")
            try thread.run()
        } catch {
            throw .system(call: "start a thread", device: "ucx", code: error.code)
        }
        served = ServedRegions(thread: thread)
        engine = UCXEngine(thread)
        for device in readers.map(\.device) {
            log.info(
                "UCX is used on an RDMA port",
                [
                    ("port", device.choice.text), ("version", version),
                    ("reason", "MX_FABRIC=trusted: its readers can write what they read"),
                ])
        }
        for reader in readers { prepare(reader.device) }
        for reason in reasons { log.warning("UCX is not used on an RDMA port", [("reason", reason)]) }
        thread.post { [self] in
            engine.begin()
            for reader in self.readers { engine.add(reader) }
        }
    }

    /// A worker for one lease that is served: whoever reads under it connects to that, and no longer than it is there.
    func serve(on device: UCXDevice) throws(RDMAError) -> UCXWorker {
        let spare = spares.withLock { $0.removeValue(forKey: ObjectIdentifier(device)) }
        let worker: UCXWorker
        if let spare { worker = spare } else { worker = try UCXWorker(on: device) }
        guard thread.post({ [self] in engine.add(worker) }) else {
            throw .ucx(call: "serve", device: device.choice.port.name, reason: "this process ends")
        }
        return worker
    }

    /// Makes a worker for the next lease, which then needn't wait for it. Blocks for some milliseconds; any thread.
    func prepare(_ device: UCXDevice) {
        let key = ObjectIdentifier(device)
        guard spares.withLock({ $0[key] }) == nil, let worker = try? UCXWorker(on: device) else { return }
        // Of two that come at once one goes again.
        spares.withLock { $0[key] = worker }
    }

    /// Ends it, and so the connections of its readers.
    func end(_ worker: UCXWorker) { thread.post { [self] in engine.remove(worker) } }

    /// Ends the thread, and gives all served memory back. Lanes must have ended before. Never call it from a task.
    package func stop() {
        thread.stop()
        served.stop()
    }
}

/// What the fabric's thread does. Not to be touched elsewhere.
final class UCXEngine {
    private let thread: EventThread
    private var workers: [UCXWorker] = []
    /// What came while UCX was in a call, to be told after it.
    private var news: [() -> Void] = []
    private var lastProgress: UInt64 = 0
    private var isTicking = false
    /// A descriptor has become readable since the last round.
    private var isWoken = false
    private var isResting = false

    init(_ thread: EventThread) { self.thread = thread }

    func begin() { thread.beforePoll = { [weak self] in self?.progress() ?? false } }

    func add(_ worker: UCXWorker) {
        workers.append(worker)
        // Nothing to do but wake up: each round asks the workers.
        thread.register(descriptor: worker.descriptor, events: isResting ? [] : .readable) { [weak self] _ in
            self?.isWoken = true
        }
    }

    func remove(_ worker: UCXWorker) {
        guard let index = workers.firstIndex(where: { $0 === worker }) else { return }
        thread.unregister(descriptor: worker.descriptor)
        workers.remove(at: index)
    }

    /// Runs after the call of UCX that is under way.
    func tell(_ work: @escaping () -> Void) { news.append(work) }

    /// Whether to look again at once.
    private func progress() -> Bool {
        var hasMoved = false
        for worker in workers where worker.progress() { hasMoved = true }
        while !news.isEmpty {
            let told = news
            news = []
            for work in told { work() }
            hasMoved = true
        }
        let isWaiting = workers.contains { $0.device.inFlight > 0 }
        if hasMoved {
            isWoken = false
            lastProgress = MonotonicClock.now()
            return true
        }
        if isWaiting {
            if MonotonicClock.now() - lastProgress < LaneLimits.rdmaSpin { return true }
            tick()
        }
        if isResting { return false }
        // All of them, also after one that has something to do.
        let busy = workers.count { !$0.arm() }
        if busy > 0 || isWoken { rest(isWaiting ? LaneLimits.ucxTick : LaneLimits.ucxRest) }
        isWoken = false
        return false
    }

    /// A worker says that there is something to do, and does nothing when asked: seen of 1.13's UD queue pairs, whose timers belong to
    /// a thread of UCX's own. Asking on without rest would take a core.
    private func rest(_ nanoseconds: UInt64) {
        isResting = true
        for worker in workers { thread.modify(descriptor: worker.descriptor, events: []) }
        thread.schedule(after: nanoseconds) { [weak self] in
            guard let self else { return }
            isResting = false
            for worker in workers { thread.modify(descriptor: worker.descriptor, events: .readable) }
        }
    }

    /// While reads are in flight the worker is asked now and then even so: its descriptor has been seen to miss something.
    private func tick() {
        guard !isTicking else { return }
        isTicking = true
        thread.schedule(after: LaneLimits.ucxTick) { [weak self] in self?.isTicking = false }
    }
}
