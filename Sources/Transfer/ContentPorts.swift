package import Records

/// What a source serves: the storages of a layout, each in a descriptor that can be read with `pread`.
package protocol StorageContent: AnyObject, Sendable {
    var layout: Layout { get }
    /// An open descriptor that holds storage `index`; the object owns it, and it stays valid while the object lives.
    func readDescriptor(forStorage index: Int) -> Int32
    /// Where all storages lie in one sealed memory file, which then is the descriptor of each; nil when each storage is a
    /// file of its own, from the file's start.
    var arena: ArenaLayout? { get }
    /// The arena in this process's memory, for devices that read it themselves; valid while the object lives. Nil without one.
    var arenaMemory: UnsafeMutableRawBufferPointer? { get }
    /// The arena in another device's memory, for devices that read it there; nil where it is in this process's.
    var arenaBuffer: DMABuffer? { get }
}

/// Memory of a device, such as a GPU, that its driver lets other devices reach without a copy in this host's memory.
package struct DMABuffer: Hashable, Sendable {
    /// As the memory's driver exported it; whoever has this value owns it.
    package let descriptor: Int32
    /// Where the bytes begin in what the descriptor stands for, and how many there are.
    package let offset: UInt64
    package let length: Int

    package init(descriptor: Int32, offset: UInt64 = 0, length: Int) {
        self.descriptor = descriptor
        self.offset = offset
        self.length = length
    }
}

extension StorageContent {
    package var arena: ArenaLayout? { nil }
    package var arenaMemory: UnsafeMutableRawBufferPointer? { nil }
    package var arenaBuffer: DMABuffer? { nil }

    /// Where a chunk lies in the storages' descriptors, in order.
    package func extents(ofChunk chunk: Int) -> [Extent] {
        if let arena { return arena.extents(ofChunk: chunk, in: layout) }
        return layout.pieces(ofChunk: chunk).map { Extent(storage: $0.storage, offset: $0.offset, length: $0.length) }
    }
}

/// Where a target puts verified chunks.
package protocol ChunkSink: AnyObject, Sendable {
    /// Writes the whole of `chunk`; safe to call from several threads for different chunks. Returns when the bytes are where
    /// readers of this peer will find them.
    func write(chunk: Int, bytes: UnsafeRawBufferPointer) throws
    /// The memory of a chunk where it belongs, in order and as long as the chunk together, so that a lane can put bytes straight there;
    /// nil when the sink has no memory. Valid while the object lives. Who writes there is the scheduler's matter: one lane at a
    /// time, and nobody after the chunk was verified.
    func memory(ofChunk chunk: Int) throws -> [UnsafeMutableRawBufferPointer]?
    /// All memory that `memory(ofChunk:)` gives parts of, for devices that must know it beforehand; nil without one.
    var mapping: UnsafeMutableRawBufferPointer? { get }
}

extension ChunkSink {
    package var mapping: UnsafeMutableRawBufferPointer? { nil }
    package func memory(ofChunk chunk: Int) -> [UnsafeMutableRawBufferPointer]? { nil }
}
