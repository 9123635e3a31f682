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
    let cluster: SimulatedCluster
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

    var truth = Truth()
    var traffic = Traffic()
    var spreads: [Spread] = []
    var watches: [ConditionWatch] = []
    var invariants: Invariants
    var auditRound = 0
    /// The process that last broke a condition.
    var lastDisagreeing = 0

    /// - Throws: `TrustError` when the cluster's own tokens don't hold, which no scenario can bring about.
    package init(_ scenario: Scenario, seed: UInt64) throws(TrustError) {
        self.scenario = scenario
        self.seed = seed
        book = SignatureBook(seed: seed)
        cluster = try SimulatedCluster(book: book, seed: seed)
        network = Network(settings: scenario.network, zones: scenario.zones, seed: seed)
        faultGenerator = RandomStreams.generator(seed, .faults)
        workGenerator = RandomStreams.generator(seed, .work)
        invariants = Invariants(peers: scenario.peers + scenario.servers)
        machines = (0..<scenario.servers + scenario.peers).map { index in
            Machine(
                index: index, role: index < scenario.servers ? .server : .peer, zone: index % scenario.zones,
                offers: index >= scenario.servers && index < scenario.servers + scenario.offers)
        }
        // Without a server the first peer is whom everybody asks.
        seeds = machines.prefix(max(scenario.servers, 1)).map(\.address)
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
        traffic.note(living: living.count, at: now)
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
        for index in scenario.timeline.indices { schedule(.step(index), at: base + scenario.timeline[index].at) }
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
        case .start(let machine): start(machine)
        case .bootstrapRequest(let from, let address, let request):
            bootstrapRequested(by: peers[from], address, request)
        case .handshake(let handshake): finish(handshake)
        case .connectionsBreak(let partition): breakConnections(across: partition)
        case .connectionsOfDeadBreak(let index): breakConnections(to: peers[index])
        case .ends(let index): end(peers[index], isNoticed: true)
        case .timelineBegins:
            traffic.begin(living: living.count, at: now)
            for peer in living { countStatistics(of: peer, isBefore: true) }
        case .step(let index): perform(scenario.timeline[index].action)
        case .heal(let partition): heal(partition)
        case .check: check()
        case .audit: auditNow()
        }
    }

    // MARK: Processes

    private func countStatistics(of peer: SimulatedPeer, isBefore: Bool) {
        if let statistics = peer.running?.lend({ $0.mesh.statistics }) { traffic.add(statistics, isBefore: isBefore) }
    }

    func index(of id: PeerID) -> Int? { indices.value(of: id.digest.leadingWord) }

    var living: [SimulatedPeer] { peers.filter(\.isAlive) }

    private func startAll() {
        var generator = RandomStreams.generator(seed, .joining)
        if scenario.join.isWarm {
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

    /// Everybody starts now, and is told at once what the others have said.
    private func startWarm() {
        var frames: [[UInt8]] = []
        for machine in machines {
            start(machine.index)
            guard let changes = peers.last?.running?.lend({ $0.mesh.everything() }) else { continue }
            for change in changes {
                switch change {
                case .record(_, _, _, _, _, let frame), .renewed(_, _, _, let frame): frames.append(frame)
                default: break
                }
            }
        }
        for peer in peers { arrived(.local(.restored(frames)), at: peer) }
    }

    private func start(_ machine: Int) {
        machinesToStart -= 1
        let index = peers.count
        var generator = RandomStreams.generator(seed, .peer, index)
        let secrets = SimulatedSecrets(book: book, generator: SeededGenerator(seed: generator.next()))
        var configuration = PeerConfiguration(
            presence: machines[machine].presence, seeds: seeds.filter { $0 != machines[machine].address },
            lanes: [.tcp])
        configuration.mesh = scenario.mesh
        configuration.laneOffers = [LaneOffer(kind: .tcp, address: machines[machine].name, port: 8015)]
        let started = Moment(
            monotonic: now + UInt64(machine) * 1_000 * Duration64.second, wall: wall(of: machine))
        guard
            let logic = try? PeerLogic(
                configuration: configuration, token: cluster.token(of: machines[machine].role), secrets: secrets,
                verifier: book, opening: frames, generator: generator, now: started)
        else { preconditionFailure("the run's own token holds for a year on either side") }
        let peer = SimulatedPeer(index: index, machine: machines[machine], secrets: secrets, logic: logic)
        peers.append(peer)
        indices.insert(peer.id.digest.leadingWord, index)
        machines[machine].process = index
        truth.begin(peer.id)
        invariants.begin()
        traffic.note(living: living.count, at: now)
        deliver(.local(.start(machines[machine].endpoints)), to: peer)
        if machines[machine].offers { arrived(.local(.serve(content("offer of \(machine)"))), at: peer) }
    }

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
        if machines[peer.machine].process == peer.index { machines[peer.machine].process = nil }
        truth.end(peer.index)
        traffic.note(living: living.count, at: now)
        if isNoticed {
            breakConnections(to: peer)
        } else {
            schedule(.connectionsOfDeadBreak(peer.index), after: network.settings.connectionTimeout)
        }
    }
}
