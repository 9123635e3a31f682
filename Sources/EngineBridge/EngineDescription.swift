package import Records

/// A worker's weights: what they are of, and where they lie. Equal in every process that they fit.
package struct EngineDescription: Hashable, Sendable {
    package let identity: SourceIdentity
    package let rank: UInt32
    /// Whether it is known which weights these are, or the operator allows to share them all the same.
    package let mayShare: Bool
    /// Whether they can come from disk.
    package let mayLoad: Bool
    package let layout: Layout
    /// In the order of their names' bytes.
    package let tensors: [Tensor]
    /// Where storages begin in an arena.
    package let alignment: UInt64
    /// What the worker has kept for a sidecar that starts anew; empty when there is nothing.
    package let record: String

    init(_ table: EngineTable, record: String) throws(EngineError) {
        guard let stage = Stage.allCases.first(where: { $0.word == table.identity.stage }), stage != .files else {
            throw .malformed("weights of stage \(table.identity.stage)")
        }
        identity = SourceIdentity(
            model: table.identity.model, revision: table.identity.revision, stage: stage,
            dtype: table.identity.dtype, quantisation: table.identity.quantisation,
            tensorParallel: table.identity.tensorParallel, pipelineParallel: table.identity.pipelineParallel,
            expertParallel: table.identity.expertParallel)
        guard !identity.model.isEmpty,
            [identity.model, identity.revision].allSatisfy({ $0.utf8.count <= WireLimits.name })
        else { throw .malformed("a model's name or revision of no use") }
        rank = table.rank
        mayShare = table.mayShare
        mayLoad = table.mayLoad
        alignment = table.alignment
        self.record = record
        do throws(WireError) {
            layout = try Layout(
                storages: table.storages.map { Storage(name: $0.name, size: $0.size) },
                chunkSize: ManifestLimits.defaultChunkSize)
        } catch {
            throw .malformed("storages that make no layout (\(error))")
        }
        guard table.tensors.count <= ManifestLimits.tensors else { throw .malformed("too many tensors") }
        tensors = try Self.tensors(of: table, layout)
    }

    private static func tensors(of table: EngineTable, _ layout: Layout) throws(EngineError) -> [Tensor] {
        var tensors: [Tensor] = []
        tensors.reserveCapacity(table.tensors.count)
        for told in table.tensors {
            guard Int(told.storage) < layout.storages.count, told.shape.count == told.strides.count else {
                throw .malformed("a tensor \(told.name) of no storage")
            }
            let (end, overflow) = told.offset.addingReportingOverflow(told.size)
            guard !overflow, end <= layout.storages[Int(told.storage)].size else {
                throw .malformed("a tensor \(told.name) that is larger than its storage")
            }
            tensors.append(
                Tensor(
                    name: told.name, dtype: told.dtype, shape: told.shape,
                    strides: isContiguous(told.shape, told.strides) ? [] : told.strides, storage: told.storage,
                    offset: told.offset, size: told.size))
        }
        return tensors
    }

    /// Whether strides are those of rows one after the other; that of a dimension of one element is of no matter.
    static func isContiguous(_ shape: [UInt64], _ strides: [UInt64]) -> Bool {
        guard !shape.contains(0) else { return true }
        var expected: UInt64 = 1
        for (length, stride) in zip(shape, strides).reversed() where length != 1 {
            guard stride == expected else { return false }
            expected = expected.multipliedReportingOverflow(by: length).partialValue
        }
        return true
    }

    /// What a manifest has otherwise than this worker, in words; empty when its content fits.
    ///
    /// - Parameter limit: how many differences are told.
    package func differences(from manifest: Manifest, limit: Int = 8) -> [String] {
        var found = manifest.identity.differences(from: identity)
        if manifest.rank != rank { found.append("rank \(manifest.rank) instead of \(rank)") }
        guard manifest.layout != layout || manifest.tensors != tensors else { return found }
        let own = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        let told = Dictionary(manifest.tensors.map { ($0.name, $0) }) { first, _ in first }
        for tensor in manifest.tensors where own[tensor.name] == nil { found.append("\(tensor.name) is not here") }
        for tensor in tensors {
            guard let other = told[tensor.name] else {
                found.append("\(tensor.name) is missing there")
                continue
            }
            guard other != tensor else { continue }
            found.append(
                other.dtype == tensor.dtype && other.shape == tensor.shape
                    ? "\(tensor.name) lies otherwise in its storage"
                    : "\(tensor.name) is \(other.dtype) \(other.shape) instead of \(tensor.dtype) \(tensor.shape)")
        }
        if found.isEmpty { found.append("storages are divided otherwise") }
        guard found.count > limit else { return found }
        return found.prefix(limit) + ["and \(found.count - limit) more"]
    }
}
