package import EventThread
import Glibc
import Mesh
package import PeerLogic
package import Records
import Telemetry

/// Runs one peer on a thread of its own: sockets, completions and timers become events, effects become calls.
///
/// Everything between `start` and `stop` happens on that thread; `submit` and `query` may be called from anywhere.
package final class PeerHost: Sendable {
    package let thread: EventThread
    private let core: PeerHostCore

    /// - Parameters:
    ///   - logic: the peer, not started.
    ///   - curveSecretKey: 32 bytes; the certificate in `logic` shows its public half.
    ///   - handler: performs what isn't the mesh's; kept for the host's life.
    package init(
        configuration: PeerHostConfiguration, logic: PeerLogic, curveSecretKey: [UInt8], handler: any PeerEffectHandler
    ) throws(EventThreadError) {
        DescriptorLimit.raised
        thread = try EventThread(name: "peer")
        core = try PeerHostCore(
            thread: thread, configuration: configuration, logic: logic, curveSecretKey: curveSecretKey,
            handler: handler)
    }

    /// Binds the sockets and joins the mesh.
    ///
    /// - Returns: the endpoints that others are told.
    /// - Throws: `PeerHostError`, `EventThreadError`.
    package func start() async throws -> Endpoints {
        try thread.run()
        return try await thread.perform { [core] in try core.start() }
    }

    /// Hands an event to the peer. False when it has stopped or can't keep up.
    @discardableResult
    package func submit(_ event: PeerEvent) -> Bool { thread.post { [core] in core.handle(event) } }

    /// Reads from the peer's state.
    package func query<Value: Sendable>(_ body: @escaping @Sendable (PeerLogic) -> Value) async throws -> Value {
        try await thread.perform { [core] in body(core.logic) }
    }

    /// Says goodbye, gives that a moment to go out, and ends the thread. Again does nothing.
    package func stop() async {
        _ = try? await thread.perform { [core] in core.handle(.depart) }
        try? await Task.sleep(nanoseconds: TransportLimits.farewell)
        _ = try? await thread.perform { [core] in core.close() }
        let thread = self.thread
        // Joining waits for the thread, so it is left to a thread of its own.
        DetachedWork.run { thread.stop() }
    }
}
