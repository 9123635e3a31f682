import CVerbs
import EventThread

/// Takes the completions of a lane's queue pairs.
///
/// It asks for them without rest for a moment while reads are in flight, and sleeps otherwise, until the device gives notice.
final class VerbsDriver: RDMADriver {
    let probeLimit = LaneLimits.verbsProbe
    private let thread: EventThread
    private var rails: [VerbsRail] = []
    private weak var flow: RDMAFlow?
    private var isArmed = false
    private var lastCompletion = MonotonicClock.now()

    init(_ thread: EventThread) { self.thread = thread }

    func begin(_ rails: [any RDMARail], _ flow: RDMAFlow) {
        self.rails = rails.compactMap { $0 as? VerbsRail }
        self.flow = flow
        for rail in self.rails {
            guard let descriptor = rail.pair.descriptor else { continue }
            thread.register(descriptor: descriptor, events: .readable) { [weak self] _ in
                rail.pair.acknowledge()
                self?.isArmed = false
            }
        }
        thread.beforePoll = { [weak self] in self?.progress() ?? false }
    }

    func forget(_ rail: any RDMARail) {
        guard let rail = rail as? VerbsRail, let descriptor = rail.pair.descriptor else { return }
        thread.unregister(descriptor: descriptor)
    }

    func kick() { lastCompletion = MonotonicClock.now() }

    func end() { thread.beforePoll = nil }

    /// Whether to look again at once.
    private func progress() -> Bool {
        guard let flow else { return false }
        if drain(flow) { return true }
        guard flow.isWaiting else { return false }
        if MonotonicClock.now() - lastCompletion < LaneLimits.rdmaSpin { return true }
        guard !isArmed else { return false }
        for rail in rails { rail.pair.arm() }
        isArmed = true
        // What completed before the notice was asked for gives none.
        return drain(flow)
    }

    /// Whether anything had completed.
    private func drain(_ flow: RDMAFlow) -> Bool {
        var completions: [(rail: Int, completion: ibv_wc)] = []
        for index in rails.indices {
            _ = rails[index].pair.poll { completions.append((index, $0)) }
        }
        guard !completions.isEmpty else { return false }
        lastCompletion = MonotonicClock.now()
        for (index, completion) in completions {
            flow.take(completion.wr_id, of: index, Self.outcome(completion))
        }
        flow.proceed()
        return true
    }

    private static func outcome(_ completion: ibv_wc) -> RDMAOutcome {
        switch completion.status {
        case IBV_WC_SUCCESS: .arrived
        case IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR, IBV_WC_REM_OP_ERR: .denied(completion.text)
        default: .lost(completion.text)
        }
    }
}
