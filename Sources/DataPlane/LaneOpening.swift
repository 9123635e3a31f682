package import Digest
import EventThread
package import Records
package import Transfer

/// What a reader needs to open one lane of a grant.
package struct LaneOpening: Sendable {
    package let tag: LaneTag
    package let offer: LaneOffer
    /// From the grant. Never logged.
    package let sessionKey: Digest256
    /// From the grant: reads in flight.
    package let window: UInt16
    /// Shared memory: this peer's own view of the host's folder; nil when there is none.
    package let hostSocketDirectory: String?
    /// Verbs: this host's RDMA devices; nil when there are none.
    package var fabric: VerbsFabric?
    /// UCX on them; nil unless the operator trusts the fabric.
    package var ucx: UCXFabric?
    /// TCP: connections that share the window.
    package var connections = 2
    /// How near the source is, for metrics.
    package let closeness: Closeness

    package init(
        tag: LaneTag, offer: LaneOffer, sessionKey: Digest256, window: UInt16, hostSocketDirectory: String?,
        closeness: Closeness = .far
    ) {
        self.tag = tag
        self.offer = offer
        self.sessionKey = sessionKey
        self.window = window
        self.hostSocketDirectory = hostSocketDirectory
        self.closeness = closeness
    }

    var windowInUse: Int { min(max(1, Int(window)), LaneLimits.windowMaximum) }
}

/// The kinds of lane that this build can read, and the way to one.
package enum Lanes {
    package static let readable: [LaneKind] = [.sharedMemory, .ucx, .verbs, .tcp]

    /// Starts to open a lane and returns at once; `target.onEvent` tells how it goes.
    ///
    /// - Throws: `unsupported` or `noResources`; then there is no lane, and no event of it.
    package static func open(_ opening: LaneOpening, into target: LaneTarget) throws(LaneError) -> any LaneReader {
        switch opening.offer.kind {
        case .tcp: return try TCPLaneReader.open(opening, into: target)
        case .sharedMemory: return try SharedMemoryLaneReader.open(opening, into: target)
        case .verbs:
            guard let fabric = opening.fabric else { throw .unsupported(.verbs) }
            return try RDMALaneReader.open(opening, into: target, over: VerbsLink(fabric: fabric))
        case .ucx:
            guard let fabric = opening.ucx else { throw .unsupported(.ucx) }
            return try RDMALaneReader.open(opening, into: target, over: UCXLink(fabric: fabric))
        }
    }

    static func threads(named name: String, count: Int, capacity: Int) throws(LaneError) -> WorkerPool {
        do throws(EventThreadError) {
            return try WorkerPool(name: name, threads: count, capacity: capacity)
        } catch {
            throw .noResources(error.description)
        }
    }
}
