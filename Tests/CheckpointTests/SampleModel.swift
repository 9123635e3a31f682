import Digest
import Records

/// Model files with content that a seed decides.
enum SampleModel {
    static let chunkSize: UInt64 = 4096

    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            let word = generator.next()
            for shift in stride(from: 0, to: UInt64(64), by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return Array(bytes.prefix(count))
    }

    /// A file whose tensors are one-dimensional U8 of these sizes.
    static func safetensors(_ tensors: [(name: String, size: Int)], seed: UInt64 = 1) -> [UInt8] {
        var position = 0
        let entries = tensors.map { tensor in
            defer { position += tensor.size }
            return "\"\(tensor.name)\":{\"dtype\":\"U8\",\"shape\":[\(tensor.size)],"
                + "\"data_offsets\":[\(position),\(position + tensor.size)]}"
        }
        let total = tensors.reduce(0) { $0 + $1.size }
        return file(json: "{\(entries.joined(separator: ","))}", data: bytes(total, seed: seed))
    }

    static func file(json: String, data: [UInt8] = []) -> [UInt8] {
        let size = UInt64(json.utf8.count)
        return (0..<8).map { UInt8(truncatingIfNeeded: size >> UInt64(8 * $0)) } + Array(json.utf8) + data
    }

    /// Two shards with an index, misaligned to chunks, and small files around them.
    static func write(to folder: TemporaryFolder, under prefix: String = "model") throws {
        let first = safetensors([("a", 10_001), ("b", 1), ("none", 0)], seed: 1)
        let second = safetensors([("c", 5000)], seed: 2)
        try folder.write("\(prefix)/model-00001-of-00002.safetensors", first)
        try folder.write("\(prefix)/model-00002-of-00002.safetensors", second)
        try folder.write(
            "\(prefix)/model.safetensors.index.json",
            Array(
                """
                {"metadata": {"total_size": 15002.0}, "weight_map": {
                  "a": "model-00001-of-00002.safetensors", "b": "model-00001-of-00002.safetensors",
                  "none": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}}
                """.utf8))
        try folder.write("\(prefix)/config.json", Array("{}".utf8))
        try folder.write("\(prefix)/empty.txt", [])
        try folder.write("\(prefix)/1_Pooling/config.json", Array("{\"pool\":1}".utf8))
        try folder.write("\(prefix)/.git/HEAD", Array("left out".utf8))
        try folder.write("\(prefix)/.hidden", Array("left out".utf8))
    }

    static let names = [
        "1_Pooling/config.json", "config.json", "empty.txt", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors", "model.safetensors.index.json",
    ]

    /// The bytes of a layout's storages end to end, cut and digested in the plainest way.
    static func digests(_ contents: [[UInt8]], chunkSize: Int = Int(chunkSize)) -> [ChunkDigests] {
        let all = contents.flatMap(\.self)
        return stride(from: 0, to: all.count, by: chunkSize).map { start in
            all[start..<min(start + chunkSize, all.count)].withUnsafeBytes { ChunkDigester.portable.digests(of: $0) }
        }
    }
}
