import Records

/// `*.safetensors.index.json`: which tensor is in which file beside it. Indexes of other formats say nothing that a reader of
/// safetensors needs, and hubs leave them behind without their files.
struct ShardIndex {
    static let suffix = ".safetensors.index.json"
    /// The largest index that is read, bytes; the largest known have a few million.
    private static let sizeLimit: UInt64 = 100_000_000
    private static let mapKey = "weight_map"

    private let name: String
    private let path: String
    private var entries: [(tensor: String, file: String)] = []

    static func read(_ found: FolderWalk.Found) throws(CheckpointError) -> ShardIndex {
        guard found.status.size <= sizeLimit else {
            throw .tooLarge(path: found.file.path, size: found.status.size, limit: sizeLimit)
        }
        var index = ShardIndex(name: found.name, path: found.file.path)
        var scanner = JSONScanner(try found.file.bytes(at: 0, count: Int(found.status.size)))
        do throws(JSONError) { try index.scan(&scanner) } catch {
            throw .malformedIndex(file: found.file.path, error)
        }
        return index
    }

    private init(name: String, path: String) {
        self.name = name
        self.path = path
    }

    private mutating func scan(_ scanner: inout JSONScanner) throws(JSONError) {
        try scanner.beginObject()
        var hasMap = false
        while let key = try scanner.nextKey() {
            guard key == Self.mapKey else {
                try scanner.skipValue()
                continue
            }
            guard !hasMap else { throw scanner.error("\(Self.mapKey) comes twice") }
            hasMap = true
            try scanner.beginObject()
            while let tensor = try scanner.nextKey() { entries.append((tensor, try scanner.readString())) }
        }
        try scanner.finish()
        guard hasMap else { throw scanner.error("\(Self.mapKey) is missing") }
    }

    /// Every entry must name a file of the folder and a tensor in it. `tensors` are those of `files`.
    func check(files: [FolderWalk.Found], tensors: [Tensor]) throws(CheckpointError) {
        // Keys are bytes: Swift's strings take different bytes for equal when Unicode does.
        var storages: [[UInt8]: UInt32] = [:]
        for (index, found) in files.enumerated() { storages[Array(found.name.utf8)] = UInt32(index) }
        var names: [UInt32: Set<[UInt8]>] = [:]
        for tensor in tensors { names[tensor.storage, default: []].insert(Array(tensor.name.utf8)) }
        let folder = Paths.folderPart(name)
        for (tensor, file) in entries {
            guard let storage = storages[Array((folder + file).utf8)] else {
                throw .indexNamesMissingFile(index: path, tensor: tensor, file: file)
            }
            guard names[storage]?.contains(Array(tensor.utf8)) == true else {
                throw .indexNamesMissingTensor(index: path, tensor: tensor, file: file)
            }
        }
    }
}
