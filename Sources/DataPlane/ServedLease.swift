package import Digest
package import Records
import Telemetry
package import Transfer

/// Which chunks a source can hand out, shared with the peer that fills it in while it still receives. Any thread.
package final class ChunkAvailability: Sendable {
    private let chunks: Guarded<ChunkSet>

    package init(_ chunks: ChunkSet) { self.chunks = Guarded(chunks) }

    /// All chunks of a layout.
    package convenience init(complete layout: Layout) {
        self.init(ChunkSet(chunkCount: layout.chunkCount, full: true))
    }

    /// Says that a chunk can be read from now on. Returns whether that is new.
    @discardableResult
    package func insert(_ chunk: Int) -> Bool { chunks.withLock { $0.insert(chunk) } }

    package func contains(_ chunk: Int) -> Bool { chunks.withLock { $0.contains(chunk) } }

    package var snapshot: ChunkSet { chunks.withLock { $0 } }
}

/// What one lease lets its reader read.
package struct ServedLease: Sendable {
    package let lease: LeaseID
    /// As in the grant. Never logged.
    package let sessionKey: Digest256
    /// As in the grant: a reader with more than twice as many requests waiting on one connection is cut off.
    package let window: UInt16
    package let content: any StorageContent
    package let layout: Layout
    package let availability: ChunkAvailability
    /// How near the reader is, for metrics.
    package let closeness: Closeness

    package init(
        lease: LeaseID, sessionKey: Digest256, window: UInt16, content: any StorageContent, layout: Layout,
        availability: ChunkAvailability, closeness: Closeness = .far
    ) {
        self.lease = lease
        self.sessionKey = sessionKey
        self.window = window
        self.content = content
        self.layout = layout
        self.availability = availability
        self.closeness = closeness
    }
}
