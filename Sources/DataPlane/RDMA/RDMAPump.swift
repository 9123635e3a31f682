import EventThread
import Telemetry

/// Hands a lane's work to the thread that moves its bytes.
final class RDMAPump: Sendable {
    private let thread: EventThread
    private let endsThread: Bool
    private let session: LaneSession
    /// Tells of ports that go down.
    private let fabric: VerbsFabric
    private let shared = Guarded<[any RDMARail]>([])
    // Confined to the thread: reached only by work that was posted to it, and by its handlers.
    nonisolated(unsafe) private let flow: RDMAFlow

    /// - Parameters:
    ///   - thread: it runs.
    ///   - endsThread: whether it is this lane's own.
    ///   - driver: makes what takes completions.
    init(
        _ session: LaneSession, _ fabric: VerbsFabric, _ thread: EventThread, endsThread: Bool,
        driver: () -> any RDMADriver
    ) {
        self.thread = thread
        self.endsThread = endsThread
        self.session = session
        self.fabric = fabric
        flow = RDMAFlow(session, fabric.destinations, thread, driver())
    }

    /// Of the lane, once it runs. Any thread.
    var rails: [any RDMARail] { shared.withLock { $0 } }

    /// Takes the connected rails over, and says when the first bytes have come, and over which. Any thread, once.
    func run(
        _ rails: [any RDMARail], opened: @escaping @Sendable ([String]) -> Void,
        failed: @escaping @Sendable (LaneError) -> Void
    ) {
        shared.withLock { $0 = rails }
        let fabric = fabric
        let watch = fabric.watch { [self] device, port in
            thread.post { [self] in flow.portIsDown(device, port) }
        }
        let isPosted = thread.post { [self] in
            flow.begin(rails, unwatch: { fabric.unwatch(watch) }, opened: opened, failed: failed)
        }
        if !isPosted { fabric.unwatch(watch) }
    }

    /// Takes a read over, with its part in the session. Any thread.
    func start(_ read: RDMARead) {
        if !thread.post({ [self] in flow.add(read) }) { flow.refuse(read) }
    }

    /// Ends the rails, fails what is in flight once nothing of it can land any more, and leaves the session. Any thread, once.
    func stop(because reason: LaneError) {
        let isPosted = thread.post { [self] in
            flow.end(reason) { [self] in
                if endsThread { thread.stop() }
                session.leave()
            }
        }
        guard !isPosted else { return }
        // The mailbox holds more than a lane's reads and this can be; a thread of all lanes is gone when the process ends.
        precondition(!endsThread, "a lane's thread takes no more")
        session.leave()
    }
}
