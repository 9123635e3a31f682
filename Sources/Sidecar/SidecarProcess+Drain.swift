import EventThread
import MeshTransport
import PeerLogic
import Records
import Telemetry

/// The end of a process that others still read from.
extension SidecarProcess {
    /// A pull's finished copy goes on being served for at most this long while others read from it, nanoseconds.
    private static let lingerLimit: UInt64 = 60 * Duration64.second
    private static let lingerCheck: UInt64 = 50 * Duration64.millisecond

    /// Waits while others still read from us, for a bounded time: whoever began with us as a relay isn't cut off.
    package func lingerForReaders() async {
        let end = MonotonicClock.now() + Self.lingerLimit
        while MonotonicClock.now() < end, (try? await host.query { $0.slotsInUse }) ?? 0 > 0 {
            try? await Task.sleep(nanoseconds: Self.lingerCheck)
        }
    }

    /// Offers nothing any more and waits for those who still read, at most for the drain limit. A task that is cancelled waits
    /// no longer.
    package func drain() async {
        let limit = settings.drainLimit
        host.submit(.drain(grace: limit))
        let end = MonotonicClock.now() + limit
        var told = false
        while !Task.isCancelled, MonotonicClock.now() < end {
            let readers = (try? await host.query { $0.slotsInUse }) ?? 0
            guard readers > 0 else { return }
            if !told {
                Log(component: "sidecar").info(
                    "readers finish first", [("readers", readers), ("seconds", limit / Duration64.second)])
            }
            told = true
            try? await Task.sleep(nanoseconds: Self.lingerCheck)
        }
    }
}
