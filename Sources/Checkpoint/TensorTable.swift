import Records

/// The tensors of all safetensors files of a folder.
enum TensorTable {
    static let suffix = ".safetensors"

    /// `files` in the layout's order.
    static func read(_ files: [FolderWalk.Found]) throws(CheckpointError) -> [Tensor] {
        var tensors: [Tensor] = []
        for (index, found) in files.enumerated() where found.name.hasSuffix(suffix) {
            tensors += try readTensors(of: found, storage: UInt32(index))
            guard tensors.count <= ManifestLimits.tensors else { throw .tooManyTensors(limit: ManifestLimits.tensors) }
        }
        for found in files where found.name.hasSuffix(ShardIndex.suffix) {
            try ShardIndex.read(found).check(files: files, tensors: tensors)
        }
        return tensors
    }

    private static func readTensors(of found: FolderWalk.Found, storage: UInt32) throws(CheckpointError) -> [Tensor] {
        let fileSize = found.status.size
        let prefixSize = UInt64(SafetensorsHeader.prefixSize)
        let prefix = try found.file.bytes(at: 0, count: Int(min(prefixSize, fileSize)))
        let size = try blaming(found.file) { () throws(SafetensorsError) in
            try SafetensorsHeader.headerSize(ofPrefix: prefix, fileSize: fileSize)
        }
        let text = try found.file.bytes(at: prefixSize, count: Int(size))
        let start = prefixSize + size
        let header = try blaming(found.file) { () throws(SafetensorsError) in
            try SafetensorsHeader.parse(header: text, dataSize: fileSize - start)
        }
        return header.tensors.map {
            Tensor(
                name: $0.name, dtype: $0.type.rawValue, shape: $0.shape, storage: storage, offset: start + $0.begin,
                size: $0.end - $0.begin)
        }
    }

    private static func blaming<Result>(
        _ file: OpenFile, _ body: () throws(SafetensorsError) -> Result
    ) throws(CheckpointError) -> Result {
        do throws(SafetensorsError) { return try body() } catch { throw .safetensors(file: file.path, error) }
    }
}
