import Mesh
import PeerLogic
import Records
import Trust

/// One process: a whole peer of production with what its shells would hold. It lives once; a restart makes another one.
final class SimulatedPeer {
    /// Index among all processes of the run.
    let index: Int
    let machine: Int
    let role: MachineRole
    let id: PeerID
    let curveKey: CurveKey
    /// Nil once the process has ended.
    private(set) var running: Running?
    var isDeparting = false
    var links = LinkTable()
    /// What arrived while it was busy or paused, in order; the first `inboxHead` are done.
    var inbox: [Arrival] = []
    var inboxHead = 0
    /// Until when its thread works or is paused, nanoseconds.
    var busyUntil: UInt64 = 0
    var isDraining = false
    /// Time that its thread has worked since the timeline began, nanoseconds.
    var worked: UInt64 = 0
    /// When its next tick is scheduled, and when the last one was; nanoseconds of the run.
    var tickAt = UInt64.max
    var lastTick: UInt64 = 0
    /// A planted fault: its wall clock stands still at this time, milliseconds since 1970.
    var stoppedWall: Int64?
    /// How it is built wrongly.
    let faults: [PlantedFault]
    /// What it is certified with.
    var token: TokenID?
    /// Since when nobody should believe it, by the true time: its token is over, or it is revoked. Milliseconds since 1970.
    var outsideSince: Int64?
    /// When a new token let it in again, nanoseconds of the run; 0 when it never was outside.
    var insideSince: UInt64 = 0
    /// Whether its very key is revoked, so that no token lets it in again.
    var isRevoked = false
    /// What it knows to be revoked, and from when on, milliseconds since 1970.
    var knownRevocations: [RevocationSubject: Int64] = [:]
    /// How it lies; the frames that it lies with, and the counter of its last gossip frame.
    var misbehaviour: Misbehaviour?
    var heard: [[UInt8]] = []
    var lastCounter: UInt64 = 0
    /// Whether it is of a newer release, which understands what others of it say.
    var isNewer = false
    /// Machines whose offers it claims to have.
    var boasts: Set<Int> = []
    let signer: any MessageSigner

    init(index: Int, machine: Machine, secrets: SimulatedSecrets, logic: PeerLogic) {
        self.index = index
        self.machine = machine.index
        role = machine.role
        id = logic.local
        curveKey = secrets.curveKey
        signer = secrets.signer
        faults = machine.faults
        running = Running(logic)
    }

    var isAlive: Bool { running != nil }

    /// Whether what it says and knows counts: it neither lies nor is it outside.
    var isTrusted: Bool { misbehaviour == nil && outsideSince == nil }

    /// The process is over; what it held is let go.
    func end() {
        running = nil
        inbox = []
        inboxHead = 0
    }

    /// Machines count from their own start, so monotonic clocks differ.
    var clockOffset: UInt64 { UInt64(machine) * 1_000 * Duration64.second }

    var hasWaiting: Bool { inboxHead < inbox.count }

    func takeFirstWaiting() -> Arrival? {
        guard hasWaiting else { return nil }
        let arrival = inbox[inboxHead]
        inboxHead += 1
        if inboxHead == inbox.count {
            inbox.removeAll(keepingCapacity: inbox.count < 1_024)
            inboxHead = 0
        } else if inboxHead >= 1_024, inboxHead * 2 > inbox.count {
            inbox.removeFirst(inboxHead)
            inboxHead = 0
        }
        return arrival
    }
}

/// The peer of a process that lives.
///
/// A peer is a large value, and a getter of a class's property would copy it each time. So it is always lent, also for looking.
final class Running {
    private var logic: PeerLogic

    init(_ logic: PeerLogic) { self.logic = logic }

    func lend<Result>(_ body: (inout PeerLogic) -> Result) -> Result { body(&logic) }

    func handle(_ event: PeerEvent, now: Moment) -> [PeerEffect] { logic.handle(event, now: now) }

    /// Nanoseconds of the peer's own clock.
    var nextDeadline: UInt64 { lend { $0.nextDeadline } }
}

/// Something that reaches a peer.
enum Arrival {
    /// Which of the two channels between a pair a message came on.
    enum Channel {
        /// The sender opened it: the message is somebody's only if the receiver admitted the sender.
        case opened
        /// The receiver opened it.
        case accepted
    }

    /// The nine bytes of the head are counted and not made.
    case gossip(from: Int, head: GossipHead, frame: [UInt8], digest: UInt64)
    case control(from: Int, Channel, [UInt8], digest: UInt64)
    /// From the peer's own shells. Apart, since it is rare and large.
    indirect case local(PeerEvent)
    case tick
}
