import EventThread
import Glibc
import Records
import Trust
import ZeroMQ

/// Thousands of publishers behind a few channels: a courier at each server hands on what they sign, as neighbours do, and comes back
/// when a server does.
///
/// `@unchecked Sendable`: all but what never changes is touched on the thread only.
final class PublisherLoad: @unchecked Sendable {
    private static let step = 100 * Duration64.millisecond
    private static let greetingPeriod = 2 * Duration64.second
    /// A server that says nothing for so long is asked for anew.
    private static let silence = 3 * Duration64.second
    private static let pageBytes = 400 * 1024
    private static let pageFrames = 1_000

    /// `@unchecked Sendable`: touched on the load's thread only.
    private final class Courier: @unchecked Sendable {
        let seed: String
        let number: Int
        let identity: LoadIdentity
        var link: LoadLink?
        var isAsking = false
        var isWelcome = false
        var heard: UInt64 = 0
        var greeted: UInt64 = 0
        var greetings: UInt64 = 0
        var connections = 0

        init(seed: String, number: Int, identity: LoadIdentity) {
            self.seed = seed
            self.number = number
            self.identity = identity
        }
    }

    private let token: TokenHolder
    private let load: Publishing
    private let thread: EventThread
    private let context: ZeroMQContext
    private let pool: WorkerPool
    private var loop: ZeroMQLoop?
    private var couriers: [Courier] = []
    private var publishers: [Publisher]
    private var living: Int
    private var beacons = 0
    private let start: UInt64

    init(token: TokenHolder, seeds: [String], _ load: Publishing) throws {
        self.token = token
        self.load = load
        thread = try EventThread(name: "publishers")
        context = try ZeroMQContext(ioThreads: 1)
        pool = try WorkerPool(name: "bootstrap", threads: seeds.count, capacity: 64)
        let now = Self.now()
        publishers = try (0..<load.publishers).map { try Publisher(number: $0, token: token, load, now: now) }
        living = publishers.count
        for (number, seed) in seeds.enumerated() {
            couriers.append(
                Courier(seed: seed, number: number, identity: try LoadIdentity(token: token, wall: now.wall)))
        }
        start = MonotonicClock.now()
        try thread.run()
    }

    func run(seconds: UInt64) async throws -> String {
        let end = start + seconds * Duration64.second
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            thread.post {
                self.loop = ZeroMQLoop(thread: self.thread)
                self.step(until: end) { done.resume() }
            }
        }
        return try await thread.perform {
            "{\"publishers\":\(self.publishers.count),\"living\":\(self.living),\"beacons\":\(self.beacons),"
                + "\"connections\":\(self.couriers.map(\.connections))}"
        }
    }

    private func step(until end: UInt64, done: @escaping () -> Void) {
        let now = Self.now()
        for courier in couriers { tend(courier, now) }
        fallSilent(now)
        var due: [[UInt8]] = []
        for index in 0..<living where publishers[index].nextBeacon <= now.monotonic {
            if let beacon = publishers[index].beacon(now: now) { due.append(beacon) }
        }
        beacons += due.count
        for courier in couriers where courier.isWelcome { give(due, to: courier) }
        guard now.monotonic < end else { return done() }
        thread.schedule(after: Self.step) { self.step(until: end, done: done) }
    }

    /// The last ones in the list say nothing any more, not even goodbye.
    private func fallSilent(_ now: Moment) {
        guard load.stopShare > 0, living == publishers.count, now.monotonic >= start + load.stopAfter else { return }
        living -= publishers.count * load.stopShare / 100
        guard let path = load.livingFile, let file = fopen(path, "w") else { return }
        for publisher in publishers[..<living] { fputs("\(publisher.identity.peer)\n", file) }
        fclose(file)
    }

    private func tend(_ courier: Courier, _ now: Moment) {
        if courier.link != nil, now.monotonic > courier.heard + Self.silence {
            courier.link?.close()
            (courier.link, courier.isWelcome) = (nil, false)
        }
        guard courier.link != nil else { return ask(courier) }
        guard now.monotonic >= courier.greeted + (courier.isWelcome ? Self.greetingPeriod : Self.step) else { return }
        courier.greeted = now.monotonic
        courier.greetings += 1
        courier.link?.send(
            courier.identity.hello(
                sequence: courier.greetings, wall: now.wall, incarnation: UInt64(max(now.wall, 0))))
    }

    private func ask(_ courier: Courier) {
        guard !courier.isAsking else { return }
        courier.isAsking = true
        let (seed, cluster, source) = (courier.seed, token.anchor.cluster, LoadLink.source(60_000 + courier.number))
        pool.submit {
            let server = LoadLink.bootstrap(seed, cluster: cluster, from: source)
            self.thread.post {
                courier.isAsking = false
                guard let server, let loop = self.loop else { return }
                courier.heard = MonotonicClock.now()
                courier.link = try? LoadLink(
                    server, as: courier.identity, from: source, context: self.context, loop: loop
                ) { [unowned self, unowned courier] in received($0, courier) }
            }
        }
    }

    private func received(_ message: ControlMessage, _ courier: Courier) {
        courier.heard = MonotonicClock.now()
        switch message {
        case .welcome where !courier.isWelcome:
            courier.isWelcome = true
            courier.connections += 1
            let now = Self.now()
            var page: [[UInt8]] = []
            for index in 0..<living { page += publishers[index].everything(now: now) }
            give(page, to: courier)
        case .ping(let request, _): courier.link?.send(ControlMessage.pong(request: request).encoded)
        default: break
        }
    }

    /// In messages of a size that a channel takes. A publisher may be cut in two: what comes of it later finds it known.
    private func give(_ frames: [[UInt8]], to courier: Courier) {
        var (page, bytes): ([[UInt8]], Int) = ([], 0)
        func send() {
            if !page.isEmpty { courier.link?.send(ControlMessage.give(frames: page).encoded) }
            (page, bytes) = ([], 0)
        }
        for frame in frames {
            if bytes + frame.count > Self.pageBytes || page.count >= Self.pageFrames { send() }
            page.append(frame)
            bytes += frame.count
        }
        send()
    }

    private static func now() -> Moment { Moment(monotonic: MonotonicClock.now(), wall: WallClock.now()) }
}
