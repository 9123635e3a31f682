package import Records

/// What a source serves: one read-only descriptor for each storage of a layout.
package protocol StorageContent: AnyObject, Sendable {
    var layout: Layout { get }
    /// An open descriptor to read storage `index` with `pread`; the object owns it, and it stays valid while the object lives.
    func readDescriptor(forStorage index: Int) -> Int32
}

/// Where a target puts verified chunks.
package protocol ChunkSink: AnyObject, Sendable {
    /// Writes the whole of `chunk`; safe to call from several threads for different chunks. Returns when the bytes are where
    /// readers of this peer will find them.
    func write(chunk: Int, bytes: UnsafeRawBufferPointer) throws
}
