import Digest
import Mesh
import PeerLogic
import Records
import Transfer
package import Trust

/// One run of a scenario: whole peers of production on virtual time, with a network, clocks and faults that are numbers. The
/// same scenario and seed give the same run, in any process.
///
/// Runs on one thread, and is used once.
package final class Simulation {
    enum Phase {
        case joining
        /// Everybody knows everybody; the timeline begins at `base`.
        case running
        /// Joining took too long.
        case failed
    }

    package let scenario: Scenario
    package let seed: UInt64
    let book: SignatureBook
    let frames = SharedFrames()
    var cluster: SimulatedCluster
    let seeds: [String]
    var network: Network
    var machines: [Machine]
    /// All processes that ever were, in the order of their starts.
    var peers: [SimulatedPeer] = []
    private var indices = WordTable()
    private(set) var machineOfAddress: [String: Int] = [:]
    private var queue = EventQueue<Happening>()
    private(set) var now: UInt64 = 0
    private(set) var events = 0
    var trace = TraceHash()
    var faultGenerator: SeededGenerator
    var workGenerator: SeededGenerator

    private(set) var phase = Phase.joining
    /// When the timeline began, and when the run ends.
    private(set) var base: UInt64 = 0
    private var end: UInt64
    var joinTime: UInt64?
    var machinesToStart: Int

    /// What the servers' store held, by the step of the outage.
    var stores: [Int: [[UInt8]]] = [:]
    var truth = Truth()
    var traffic = Traffic()
    var spreads: [Spread] = []
    var watches: [ConditionWatch] = []
    var invariants: Invariants
    let watchesTrust: Bool
    var auditRound = 0
    /// The process that last broke a condition.
    var lastDisagreeing = 0

    /// - Throws: `TrustError` when the cluster's own tokens don't hold, which no scenario can bring about.
    package init(_ scenario: Scenario, seed: UInt64) throws(TrustError) {
        self.scenario = scenario
        self.seed = seed
        book = SignatureBook(seed: seed)
        cluster = try SimulatedCluster(book: book, seed: seed, certificateLife: scenario.certificateLife)
        network = Network(settings: scenario.network, zones: scenario.zones, seed: seed)
        faultGenerator = RandomStreams.generator(seed, .faults)
        workGenerator = RandomStreams.generator(seed, .work)
        watchesTrust = scenario.endsTrust
        invariants = Invariants(peers: scenario.peers + scenario.servers)
        machines = (0..<scenario.servers + scenario.peers).map { index in
            Machine(
                index: index, role: index < scenario.servers ? .server : .peer, zone: index % scenario.zones,
                offers: index >= scenario.servers && index < scenario.servers + scenario.offers)
        }
        // Without a server the first peer is whom everybody asks.
        for step in scenario.timeline { Self.build(step.action, into: &machines, &faultGenerator) }
        seeds = machines.prefix(max(scenario.servers + scenario.knownPeers, 1)).map(\.address)
        machinesToStart = machines.count
        end = scenario.join.over + scenario.join.limit
        for machine in machines { machineOfAddress[machine.address] = machine.index }
    }

    /// Runs to the end.
    ///
    /// - Parameter progress: told now and then how far it is.
    package func run(progress: (RunProgress) -> Void = { _ in }) -> RunReport {
        startAll()
        while let time = queue.nextTime, time <= end, let next = queue.removeFirst() {
            now = time
            happen(next)
            events += 1
            if events.isMultiple(of: RunProgress.interval) { progress(self.progress) }
        }
        if phase == .joining { failJoining() }
        now = end
        traffic.note(living: livingCount, at: now)
        for peer in living { countStatistics(of: peer, isBefore: false) }
        audit(all: true)
        progress(self.progress)
        return report()
    }

    private var progress: RunProgress {
        RunProgress(events: events, time: now, timelineBegan: phase == .joining ? nil : base, end: end)
    }

    // MARK: Time

    func schedule(_ happening: Happening, at time: UInt64) { queue.insert(happening, at: max(time, now)) }

    func schedule(_ happening: Happening, after delay: UInt64) { queue.insert(happening, at: now + delay) }

    /// What a peer's clocks show.
    func moment(of peer: SimulatedPeer) -> Moment {
        Moment(monotonic: now + peer.clockOffset, wall: peer.stoppedWall ?? wall(of: peer.machine))
    }

    /// What a machine's wall clock shows when it works, milliseconds since 1970.
    func wall(of machine: Int) -> Int64 {
        SimulatedCluster.epoch + Int64(now / Duration64.millisecond) + machines[machine].skew
    }

    /// Everybody has joined: the timeline begins after a rest.
    func beginTimeline() {
        phase = .running
        joinTime = now
        base = now + scenario.join.settle
        end = base + scenario.end
        schedule(.timelineBegins, at: base)
        for index in scenario.timeline.indices { scheduleStep(index) }
        if let liveness = scenario.liveness {
            let last = base + (scenario.timeline.map(\.lasts).max() ?? 0)
            schedule(.livenessBegins, at: last)
            schedule(.livenessDue, at: last + liveness)
        }
    }

    private func failJoining() {
        phase = .failed
        invariants.add(
            .joining, at: now, peer: "all",
            "after \(scenario.join.limit / Duration64.second) s not every peer knows every other one and its offers")
    }

    private func happen(_ happening: Happening) {
        switch happening {
        case .arrival(let to, let arrival): arrived(arrival, at: peers[to])
        case .drain(let index): drain(peers[index])
        case .start(let machine): startOffering(machine)
        case .bootstrapRequest(let from, let address, let request):
            bootstrapRequested(by: peers[from], address, request)
        case .handshake(let handshake): finish(handshake)
        case .connectionsBreak(let partition): breakConnections(across: partition)
        case .connectionsOfDeadBreak(let index): breakConnections(to: peers[index])
        case .ends(let index): end(peers[index], isNoticed: true)
        case .timelineBegins:
            traffic.begin(living: livingCount, at: now)
            for peer in living { countStatistics(of: peer, isBefore: true) }
        case .step(let index): perform(scenario.timeline[index].action)
        case .heal(let partition): heal(partition)
        case .check: check()
        case .audit: auditNow()
        case .misbehave(let index): misbehave(peers[index])
        case .livenessBegins: watch(.agreement, ConditionWatch.liveness)
        case .livenessDue: auditLiveness()
        case .store(let step): store(for: step)
        case .restore(let machine, let step): restore(machine, step)
        case .saysNews(let index): sayNews(peers[index])
        case .speedsUp(let machine): speedUp(machine)
        case .tokenEnds(let index, let token): tokenEnded(token, of: peers[index])
        case .tokenRevoked(let token): tokenRevoked(token)
        }
    }

    // MARK: Processes

    private func countStatistics(of peer: SimulatedPeer, isBefore: Bool) {
        if let statistics = peer.running?.lend({ $0.mesh.statistics }) { traffic.add(statistics, isBefore: isBefore) }
    }

    func index(of id: PeerID) -> Int? { indices.value(of: id.digest.leadingWord) }

    /// Processes that run now.
    private(set) var livingCount = 0

    var living: [SimulatedPeer] { peers.filter(\.isAlive) }

    private func startAll() {
        var generator = RandomStreams.generator(seed, .joining)
        if scenario.join.isWarm || scenario.isOfChangesOnly {
            startWarm()
        } else {
            for machine in machines {
                let delay = machine.role == .server ? 0 : UInt64.random(in: 0...scenario.join.over, using: &generator)
                schedule(.start(machine: machine.index), at: delay)
            }
        }
        schedule(.check, after: Self.checkPeriod)
        schedule(.audit, after: Self.auditPeriod)
    }

    /// Everybody starts now, and knows at once what the others have said.
    private func startWarm() {
        var frames: [[UInt8]] = []
        for machine in machines {
            start(machine.index)
            guard let peer = peers.last else { continue }
            if machine.offers { deliver(.local(.serve(content(ofMachine: machine.index))), to: peer) }
            frames += self.frames(heldBy: peer)
        }
        guard let first = peers.first(where: { $0.faults.isEmpty }) else { return }
        deliver(.local(.restored(frames)), to: first)
        for peer in peers where peer !== first {
            if peer.faults.isEmpty { begin(peer, knowing: first) } else { arrived(.local(.restored(frames)), at: peer) }
        }
    }

    /// What one peer was told and has checked, others know as well: to tell it to each would take the square of their number.
    private func begin(_ peer: SimulatedPeer, knowing first: SimulatedPeer) {
        guard let running = peer.running, let template = first.running?.lend({ $0 }) else { return }
        let effects = running.lend { $0.begin(knowing: template, now: moment(of: peer)) }
        invariants.remember(atOnce: peer.index, as: first.index)
        perform(effects, of: peer, at: now)
    }

    /// A process starts, and offers what its machine has.
    func startOffering(_ machine: Int) {
        start(machine)
        guard machines[machine].offers, let peer = peers.last else { return }
        arrived(.local(.serve(content(ofMachine: machine))), at: peer)
    }

    private func start(_ machine: Int) {
        machinesToStart -= 1
        let index = peers.count
        var generator = RandomStreams.generator(seed, .peer, index)
        let secrets = SimulatedSecrets(book: book, generator: SeededGenerator(seed: generator.next()))
        var configuration = PeerConfiguration(
            presence: machines[machine].presence,
            seeds: (machines[machine].contacts ?? seeds).filter { $0 != machines[machine].address },
            lanes: [.tcp])
        configuration.mesh = scenario.meshOfRun
        for fault in machines[machine].faults { fault.spoil(&configuration.mesh) }
        configuration.laneOffers = [LaneOffer(kind: .tcp, address: machines[machine].name, port: 8015)]
        let started = Moment(
            monotonic: now + UInt64(machine) * 1_000 * Duration64.second, wall: wall(of: machine))
        guard
            let logic = try? PeerLogic(
                configuration: configuration, token: cluster.token(of: machines[machine].role), secrets: secrets,
                verifier: verifier(machine), opening: opening(machine, secrets), generator: generator, now: started)
        else { preconditionFailure("the run's own token holds for a year on either side") }
        let peer = SimulatedPeer(index: index, machine: machines[machine], secrets: secrets, logic: logic)
        peer.token = cluster.token(of: machines[machine].role).grant.value.id
        peers.append(peer)
        livingCount += 1
        indices.insert(peer.id.digest.leadingWord, index)
        machines[machine].process = index
        truth.begin(peer.id)
        invariants.begin()
        traffic.note(living: livingCount, at: now)
        deliver(.local(.start(machines[machine].endpoints)), to: peer)
    }

    func content(ofMachine machine: Int) -> ServedContent { content("offer of \(machine)") }

    /// A model that nobody else offers, of one chunk whose bytes are not there.
    func content(_ model: String) -> ServedContent {
        let digests = [ChunkDigests(crc32c: 0, strong: .zero)]
        guard let layout = try? Layout(storages: [Storage(name: "model", size: 4096)], chunkSize: 4096),
            let manifest = try? Manifest(
                identity: SourceIdentity(model: model, revision: "main", stage: .files), rank: 0, layout: layout,
                tensors: [], digests: digests)
        else { preconditionFailure("one chunk has one digest") }
        return ServedContent(manifest: manifest)
    }

    /// A process is over: nothing leaves or reaches it any more.
    func end(_ peer: SimulatedPeer, isNoticed: Bool) {
        guard peer.isAlive else { return }
        countStatistics(of: peer, isBefore: false)
        peer.end()
        livingCount -= 1
        if machines[peer.machine].process == peer.index { machines[peer.machine].process = nil }
        truth.end(peer.index)
        traffic.note(living: livingCount, at: now)
        if isNoticed {
            breakConnections(to: peer)
        } else {
            schedule(.connectionsOfDeadBreak(peer.index), after: network.settings.connectionTimeout)
        }
    }
}
