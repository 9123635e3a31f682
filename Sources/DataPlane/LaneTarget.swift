package import Digest
package import EventThread
package import Records
package import Transfer

/// How much proof a chunk needs before it is written.
package enum LaneIntegrity: Sendable {
    /// CRC32C and the strong digest.
    case full
    /// CRC32C only: for a trusted fabric.
    case crc
}

/// Where the lanes of one pull deliver: one value shared by all of them.
package struct LaneTarget: Sendable {
    package let layout: Layout
    /// One for each chunk of the layout.
    package let digests: [ChunkDigests]
    package let digester: ChunkDigester
    package let integrity: LaneIntegrity
    package let sink: any ChunkSink
    /// Its buffers hold a chunk of the layout each.
    package let buffers: ChunkBufferPool
    /// Verifies and writes. One thread for each core, and room for at least as much work as there are buffers.
    package let verification: WorkerPool
    /// Called on threads of lanes, on the verification's, and within `read` and `close` on the caller's. It must not block and
    /// not call back into a lane: post to a thread of your own.
    package let onEvent: @Sendable (LaneEvent) -> Void

    /// `digests` has one entry for each chunk of `layout`; anything else is the caller's error.
    package init(
        layout: Layout, digests: [ChunkDigests], digester: ChunkDigester, integrity: LaneIntegrity,
        sink: any ChunkSink, buffers: ChunkBufferPool, verification: WorkerPool,
        onEvent: @escaping @Sendable (LaneEvent) -> Void
    ) {
        precondition(digests.count == layout.chunkCount, "a layout of \(layout.chunkCount) chunks needs their digests")
        precondition(buffers.bufferSize >= Int(layout.chunkSize), "a buffer must hold a chunk")
        self.layout = layout
        self.digests = digests
        self.digester = digester
        self.integrity = integrity
        self.sink = sink
        self.buffers = buffers
        self.verification = verification
        self.onEvent = onEvent
    }
}
