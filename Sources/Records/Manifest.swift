package import Digest

/// An allocation that an engine exposes, or one file of a folder.
package struct Storage: Hashable, Sendable {
    /// Relative path with `/` between components (stage `files`), or the name of its first tensor.
    package let name: String
    /// Bytes.
    package let size: UInt64

    package init(name: String, size: UInt64) {
        self.name = name
        self.size = size
    }
}

/// A view into a storage.
package struct Tensor: Hashable, Sendable {
    package let name: String
    package let dtype: String
    package let shape: [UInt64]
    /// Elements from one index to the next in each dimension; empty when the tensor is contiguous.
    package let strides: [UInt64]
    /// Index into the manifest's storages.
    package let storage: UInt32
    /// Bytes from the start of its storage.
    package let offset: UInt64
    /// Bytes from the first element to the end of the last.
    package let size: UInt64

    package init(
        name: String, dtype: String, shape: [UInt64], strides: [UInt64] = [], storage: UInt32, offset: UInt64,
        size: UInt64
    ) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.strides = strides
        self.storage = storage
        self.offset = offset
        self.size = size
    }
}

/// The content of one rank: its tensors, its layout and the digests of its chunks. Equal content gives equal canonical bytes.
package struct Manifest: Hashable, Sendable {
    package let identity: SourceIdentity
    package let rank: UInt32
    package let layout: Layout
    package let tensors: [Tensor]
    package let digests: [ChunkDigests]

    /// `digests` holds one entry for each chunk of `layout`, in order; anything else is refused.
    package init(
        identity: SourceIdentity, rank: UInt32, layout: Layout, tensors: [Tensor], digests: [ChunkDigests]
    ) throws(WireError) {
        guard digests.count == layout.chunkCount else { throw .malformed(field: "chunk digests") }
        for tensor in tensors {
            guard Int(tensor.storage) < layout.storages.count else { throw .malformed(field: "tensor storage") }
            let (end, overflow) = tensor.offset.addingReportingOverflow(tensor.size)
            guard !overflow, end <= layout.storages[Int(tensor.storage)].size else {
                throw .malformed(field: "tensor range")
            }
        }
        self.identity = identity
        self.rank = rank
        self.layout = layout
        self.tensors = tensors
        self.digests = digests
    }

    /// BLAKE2b-256 of the canonical bytes. Costs a pass over them; keep the result.
    package var id: ManifestID { ManifestID(BLAKE2b.digest(encoded)) }
}

extension Manifest: WireCodable {
    /// 2: tensors have strides.
    private static let formatVersion: UInt8 = 2

    package func encode(to writer: inout WireWriter) {
        writer.write(Self.formatVersion)
        identity.encode(to: &writer)
        writer.write(rank)
        writer.write(layout.chunkSize)
        writer.write(layout.storages) {
            $0.write($1.name)
            $0.write($1.size)
        }
        writer.write(tensors) { $1.encode(to: &$0) }
        writer.write(digests) {
            $0.write($1.crc32c)
            $0.write($1.strong)
        }
    }

    package init(from reader: inout WireReader) throws(WireError) {
        let version = try reader.read(UInt8.self, "manifest version")
        guard version == Self.formatVersion else { throw .unsupportedVersion(UInt64(version)) }
        let identity = try SourceIdentity(from: &reader)
        let rank = try reader.read(UInt32.self, "manifest rank")
        let chunkSize = try reader.read(UInt64.self, "chunk size")
        let storages = try reader.readArray("storages", limit: ManifestLimits.storages) {
            (reader) throws(WireError) in
            Storage(
                name: try reader.readString("storage name", limit: WireLimits.name),
                size: try reader.read("storage size"))
        }
        let layout = try Layout(storages: storages, chunkSize: chunkSize)
        let tensors = try reader.readArray("tensors", limit: ManifestLimits.tensors) {
            (reader) throws(WireError) in try Tensor(from: &reader)
        }
        let digests = try reader.readArray("digests", limit: ManifestLimits.chunks) {
            (reader) throws(WireError) in
            ChunkDigests(crc32c: try reader.read("crc32c"), strong: try reader.readDigest("strong digest"))
        }
        try self.init(identity: identity, rank: rank, layout: layout, tensors: tensors, digests: digests)
    }
}

extension Tensor: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(name)
        writer.write(dtype)
        writer.write(shape) { $0.write($1) }
        writer.write(strides) { $0.write($1) }
        writer.write(storage)
        writer.write(offset)
        writer.write(size)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        name = try reader.readString("tensor name", limit: WireLimits.name)
        dtype = try reader.readString("tensor dtype", limit: WireLimits.name)
        shape = try reader.readArray("tensor shape", limit: ManifestLimits.dimensions) {
            (reader) throws(WireError) in try reader.read("tensor dimension")
        }
        strides = try reader.readArray("tensor strides", limit: ManifestLimits.dimensions) {
            (reader) throws(WireError) in try reader.read("tensor stride")
        }
        guard strides.isEmpty || strides.count == shape.count else { throw .malformed(field: "tensor strides") }
        storage = try reader.read("tensor storage")
        offset = try reader.read("tensor offset")
        size = try reader.read("tensor size")
    }
}
