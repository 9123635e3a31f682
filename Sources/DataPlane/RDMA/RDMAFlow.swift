import EventThread
import Telemetry

/// What moves the bytes of one lane: posts its reads to its rails and takes what comes. Not to be touched but on the pump's
/// thread, except for `refuse`.
final class RDMAFlow {
    private let session: LaneSession
    private let destinations: DestinationRegions
    private let thread: EventThread
    private let driver: any RDMADriver
    private let log = Log(component: "rdma")
    private var rails: [any RDMARail] = []
    /// Rails whose reads may still write.
    private var writing: Set<Int> = []
    private var schedule = RDMASchedule(rails: 0)
    private var reads: [UInt64: RDMARead] = [:]
    private var nextRead: UInt64 = 1
    private var registrations: Set<DestinationRegions.Key> = []
    private var probe: RDMAProbe?
    private var probeKeys: Set<DestinationRegions.Key> = []
    /// What has not been probed yet.
    private var silent: Set<Int> = []
    private var unwatch: () -> Void = {}
    private var opened: ([String]) -> Void = { _ in }
    private var failed: (LaneError) -> Void = { _ in }
    private var hasEnded: LaneError?
    private var ended: () -> Void = {}
    private var lastTold: UInt64 = 0

    init(_ session: LaneSession, _ destinations: DestinationRegions, _ thread: EventThread, _ driver: any RDMADriver) {
        self.session = session
        self.destinations = destinations
        self.thread = thread
        self.driver = driver
    }

    /// Whether anything is in flight.
    var isWaiting: Bool { schedule.isAnyPosted || !silent.isEmpty }

    // MARK: Beginning

    func begin(
        _ rails: [any RDMARail], unwatch: @escaping () -> Void, opened: @escaping ([String]) -> Void,
        failed: @escaping (LaneError) -> Void
    ) {
        // A lane that was closed meanwhile: whoever was to end the rails has come before them, and nothing is in flight.
        guard hasEnded == nil else {
            unwatch()
            for rail in rails { rail.close {} }
            return
        }
        self.rails = rails
        self.unwatch = unwatch
        self.opened = opened
        self.failed = failed
        writing = Set(rails.indices)
        schedule = RDMASchedule(rails: rails.count)
        driver.begin(rails, self)
        beginProbe()
    }

    /// A queue pair connects without a packet, so each rail must bring bytes before the lane counts as open: else a path that
    /// leads nowhere would be found out again and again, at the cost of a deadline each time.
    private func beginProbe() {
        let probe = RDMAProbe()
        self.probe = probe
        silent = Set(rails.indices)
        for index in rails.indices where rails[index].isOpen {
            do throws(RDMAError) {
                let registration = try rails[index].register(probe.bytes, of: probe)
                keep([registration.key])
                probeKeys.insert(registration.key)
                let failure = rails[index].read(
                    probe.segment(index), id: RDMAProbe.id, localKey: registration.localKey)
                if let failure { lose(index, failure) }
            } catch {
                return failed(.noResources(error.description))
            }
        }
        driver.kick()
        thread.schedule(after: driver.probeLimit) { [weak self] in self?.endProbe() }
    }

    /// Rails that were silent until now are left out.
    private func endProbe() {
        guard hasEnded == nil, !silent.isEmpty else { return }
        for index in silent.sorted() where silent.contains(index) {
            lose(index, "its first read brought nothing in time")
        }
        // Losing the last of them has opened the lane, or ended it.
    }

    private func heard(_ index: Int) {
        guard silent.remove(index) != nil, silent.isEmpty, schedule.isAnyUp else { return }
        forgetProbe()
        opened(rails.filter(\.isOpen).map(\.text))
    }

    /// Its memory is needed no more. Where a rail was lost, its first read may still land: then it stays until the lane's end.
    private func forgetProbe() {
        guard rails.allSatisfy(\.isOpen) else { return }
        destinations.release(probeKeys)
        registrations.subtract(probeKeys)
        probeKeys = []
        probe = nil
    }

    // MARK: Reads

    func add(_ read: RDMARead) {
        if hasEnded != nil { return refuse(read) }
        let number = nextRead
        nextRead += 1
        let segments = read.segments(as: number)
        read.missing = segments.count
        reads[number] = read
        keep(read.registrations)
        // Bytes that lie nowhere: an empty chunk has come already.
        if segments.isEmpty { return finish(number) }
        schedule.add(segments)
        post()
    }

    /// Any thread: of a read that the pump didn't take.
    func refuse(_ read: RDMARead) {
        destinations.release(read.registrations)
        session.fail(read.read.chunk, session.closingError ?? .connectionLost("the lane has ended"))
        session.leave()
    }

    /// A lane uses a registration once, however many of its reads do, and until its end.
    private func keep(_ keys: [DestinationRegions.Key]) {
        destinations.release(keys.filter { !registrations.insert($0).inserted })
    }

    private func post() {
        while let (index, id, segment) = schedule.next() {
            guard let read = reads[segment.read] else { continue }
            let failure = rails[index].read(segment, id: id, localKey: read.keys[index][segment.region])
            if let failure { lose(index, failure) }
        }
        driver.kick()
    }

    private func finish(_ number: UInt64) {
        guard let read = reads.removeValue(forKey: number) else { return }
        session.verify(read.read, in: read.room, crc32c: nil)
        session.leave()
    }

    // MARK: Completions

    /// A read has ended. What the driver says of rails that were closed meanwhile doesn't count.
    func take(_ id: UInt64, of index: Int, _ outcome: RDMAOutcome) {
        guard hasEnded == nil, rails[index].isOpen else { return }
        switch outcome {
        case .arrived where id == RDMAProbe.id: heard(index)
        case .arrived:
            guard let segment = schedule.complete(id), let read = reads[segment.read] else { return }
            rails[index].bytesRead.add(UInt64(segment.length))
            read.missing -= 1
            read.untold += segment.length
            if read.missing == 0 { finish(segment.read) }
        case .denied(let why): failed(.connectionLost("the source's memory is closed to this lane: \(why)"))
        case .lost(let why): lose(index, why)
        }
    }

    /// After a batch of completions.
    func proceed() {
        guard hasEnded == nil else { return }
        post()
        tellOfArrivals()
    }

    /// Goes on without a rail, or ends the lane when it was the last.
    func lose(_ index: Int, _ why: String) {
        guard hasEnded == nil, rails[index].isOpen else { return }
        log.warning("an RDMA path of a lane was lost", [("path", rails[index].text), ("reason", why)])
        let wasOpened = silent.isEmpty
        schedule.close(rail: index)
        close(index)
        guard schedule.isAnyUp else {
            let reason = "\(rails[index].device):\(rails[index].port): \(why)"
            return failed(wasOpened ? .connectionLost(reason) : .unreachable(reason))
        }
        heard(index)
    }

    private func close(_ index: Int) {
        driver.forget(rails[index])
        rails[index].close { [self] in
            writing.remove(index)
            guard hasEnded == nil else { return endIfFlushed() }
            // Only now may others bring what it was to bring.
            schedule.fail(rail: index)
            if schedule.isAnyUp { post() }
        }
    }

    func portIsDown(_ device: String, _ port: UInt8) {
        for index in rails.indices where rails[index].device == device && rails[index].port == port {
            lose(index, "its port is down")
        }
    }

    private func tellOfArrivals() {
        let now = MonotonicClock.now()
        guard now - lastTold >= LaneLimits.arrivalPeriod else { return }
        lastTold = now
        let untold = reads.values.reduce(0) { $0 + $1.untold }
        for read in reads.values { read.untold = 0 }
        if untold > 0 { session.arrived(untold) }
    }

    // MARK: Ending

    /// Closes all rails. `ended` comes when no byte of theirs can land any more, and reads in flight have failed.
    func end(_ reason: LaneError, ended: @escaping () -> Void) {
        hasEnded = reason
        self.ended = ended
        unwatch()
        unwatch = {}
        for index in rails.indices where rails[index].isOpen { close(index) }
        endIfFlushed()
    }

    private func endIfFlushed() {
        guard let reason = hasEnded, writing.isEmpty else { return }
        driver.end()
        opened = { _ in }
        failed = { _ in }
        // No byte comes any more: rooms may be used by others.
        for number in reads.keys.sorted() {
            guard let read = reads.removeValue(forKey: number) else { continue }
            session.fail(read.read.chunk, reason)
            session.leave()
        }
        destinations.release(registrations)
        registrations = []
        probe = nil
        let ended = ended
        self.ended = {}
        ended()
    }
}
