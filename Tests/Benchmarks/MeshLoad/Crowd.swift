import Digest
import EventThread
import Glibc
import Records
import Trust
import ZeroMQ

/// Many newcomers that start within a few seconds: each asks the bootstrap port, opens its channel, greets, and takes its snapshot,
/// with keys and a source address of its own.
///
/// `@unchecked Sendable`: all but what never changes is touched on the thread only.
final class Crowd: @unchecked Sendable {
    /// How long the last one is waited for, nanoseconds.
    private static let patience = 60 * Duration64.second
    private static let greetingPeriod = 50 * Duration64.millisecond
    private static let pagePeriod = 2 * Duration64.second

    private final class Joiner {
        let number: Int
        let identity: LoadIdentity
        let began: UInt64
        var link: LoadLink?
        var answered: UInt64?
        var welcomed: UInt64?
        var ended: UInt64?
        var asked: UInt64 = 0
        var cursor: SnapshotCursor?
        var digest: Digest256?
        var hash = BLAKE2b()
        var frames = 0
        var bytes = 0

        init(_ number: Int, _ identity: LoadIdentity, began: UInt64) {
            self.number = number
            self.identity = identity
            self.began = began
        }
    }

    private let token: TokenHolder
    private let seed: String
    private let count: Int
    private let within: UInt64
    private let filter: SnapshotFilter
    private let thread: EventThread
    private let context: ZeroMQContext
    private let pool: WorkerPool
    private var loop: ZeroMQLoop?
    private var joiners: [Joiner] = []
    private var wrong = 0

    init(token: TokenHolder, seed: String, count: Int, within: UInt64, filter: SnapshotFilter) throws {
        self.token = token
        self.seed = seed
        self.count = count
        self.within = within
        self.filter = filter
        thread = try EventThread(name: "crowd")
        context = try ZeroMQContext(ioThreads: 1, maximumSockets: 16_384)
        pool = try WorkerPool(name: "bootstrap", threads: 32, capacity: max(count, 1))
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        try thread.run()
    }

    func run() async -> String {
        let wall = WallClock.now()
        // Keys are made before the clock runs: in a mesh each newcomer makes its own.
        let identities = (0..<count).compactMap { _ in try? LoadIdentity(token: token, wall: wall) }
        let start = MonotonicClock.now()
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            thread.post {
                self.loop = ZeroMQLoop(thread: self.thread)
                for (number, identity) in identities.enumerated() {
                    let due = start + self.within * UInt64(number) / UInt64(self.count)
                    self.thread.schedule(at: due) { self.begin(number, identity) }
                }
                self.watch(until: start + self.within + Self.patience) { done.resume() }
            }
        }
        let report = (try? await thread.perform { self.report(since: start) }) ?? "{}"
        return report
    }

    private func begin(_ number: Int, _ identity: LoadIdentity) {
        let joiner = Joiner(number, identity, began: MonotonicClock.now())
        joiners.append(joiner)
        ask(number)
    }

    private func ask(_ index: Int) {
        let joiner = joiners[index]
        let (seed, cluster) = (seed, token.anchor.cluster)
        let source = LoadLink.source(joiner.number)
        pool.submit {
            let server = LoadLink.bootstrap(seed, cluster: cluster, from: source)
            self.thread.post { self.answered(index, server) }
        }
    }

    private func answered(_ index: Int, _ server: LoadServer?) {
        guard let server, let loop else {
            // As a peer does: a second later.
            thread.schedule(after: Duration64.second) { self.ask(index) }
            return
        }
        let joiner = joiners[index]
        joiner.answered = MonotonicClock.now()
        joiner.link = try? LoadLink(
            server, as: joiner.identity, from: LoadLink.source(joiner.number), context: context, loop: loop
        ) { [unowned joiner] in self.received($0, joiner) }
        greet(joiner)
    }

    private func greet(_ joiner: Joiner) {
        guard joiner.welcomed == nil, joiner.ended == nil else { return }
        let wall = WallClock.now()
        joiner.link?.send(joiner.identity.hello(sequence: 1, wall: wall, incarnation: UInt64(wall)))
        thread.schedule(after: Self.greetingPeriod) { self.greet(joiner) }
    }

    private func received(_ message: ControlMessage, _ joiner: Joiner) {
        switch message {
        case .welcome where joiner.welcomed == nil:
            joiner.welcomed = MonotonicClock.now()
            askForPage(joiner)
        case .snapshotPage(_, let page): take(page, joiner)
        case .ping(let request, _): joiner.link?.send(ControlMessage.pong(request: request).encoded)
        default: break
        }
    }

    private func askForPage(_ joiner: Joiner) {
        guard joiner.ended == nil else { return }
        joiner.asked = MonotonicClock.now()
        joiner.link?.send(ControlMessage.snapshotRequest(request: 1, filter: filter, cursor: joiner.cursor).encoded)
        thread.schedule(after: Self.pagePeriod) {
            if joiner.ended == nil, MonotonicClock.now() >= joiner.asked + Self.pagePeriod { self.askForPage(joiner) }
        }
    }

    private func take(_ page: SnapshotPage, _ joiner: Joiner) {
        guard joiner.ended == nil, let signed = try? SignedFrame(decoding: page.manifest),
            let manifest = try? SnapshotManifest(decoding: signed.payload)
        else { return }
        if joiner.digest != manifest.digest {
            (joiner.digest, joiner.hash, joiner.frames) = (manifest.digest, BLAKE2b(), 0)
        }
        guard Int(page.offset) == joiner.frames else { return }
        for frame in page.frames {
            joiner.hash.update(BLAKE2b.digest(frame).bytes)
            joiner.bytes += frame.count
        }
        joiner.frames += page.frames.count
        joiner.cursor = SnapshotCursor(
            epoch: manifest.epoch, sequence: manifest.sequence, offset: UInt32(joiner.frames))
        guard joiner.frames == Int(manifest.count) else { return askForPage(joiner) }
        if joiner.hash.finish() != manifest.digest { wrong += 1 }
        joiner.ended = MonotonicClock.now()
    }

    private func watch(until end: UInt64, done: @escaping () -> Void) {
        let isDone = joiners.count == count && joiners.allSatisfy { $0.ended != nil }
        guard !isDone, MonotonicClock.now() < end else { return done() }
        thread.schedule(after: 10 * Duration64.millisecond) { self.watch(until: end, done: done) }
    }

    private func report(since start: UInt64) -> String {
        let times = joiners.compactMap { joiner in joiner.ended.map { Double($0 - joiner.began) / 1e6 } }.sorted()
        func at(_ share: Double) -> Double {
            times.isEmpty ? 0 : times[min(Int(share * Double(times.count)), times.count - 1)]
        }
        let last = joiners.compactMap(\.ended).max() ?? start
        let begins = joiners.compactMap { joiner in joiner.answered.map { Double($0 - joiner.began) / 1e6 } }.sorted()
        let bytes = joiners.map(\.bytes).max() ?? 0
        let frames = joiners.map(\.frames).max() ?? 0
        return """
            {"joiners":\(count),"whole":\(times.count),"wrong":\(wrong),"median_ms":\(at(0.5)),"p99_ms":\(at(0.99)),\
            "most_ms":\(times.last ?? 0),"all_after_ms":\(Double(last - start) / 1e6),\
            "bootstrap_median_ms":\(begins.isEmpty ? 0 : begins[begins.count / 2]),"snapshot_bytes":\(bytes),\
            "snapshot_frames":\(frames)}
            """
    }
}
