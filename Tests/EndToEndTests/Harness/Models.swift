/// Model folders that tests serve.
enum Models {
    /// One file of `megabytes` MB (10^6 bytes) in one tensor.
    static func plain(_ megabytes: Int, in folder: String) async throws {
        try await onOwnThread {
            try Safetensors.write(
                [.init(name: "weight", size: megabytes * 1_000_000)], to: "\(folder)/model.safetensors")
        }
    }

    /// What checkpoints have and simple code gets wrong: two files with an index, tensors of one byte, of none, and across
    /// chunks, files without content, folders in folders.
    static func awkward(in folder: String) async throws {
        try await onOwnThread {
            try Safetensors.write(
                [
                    .init(name: "a.one", size: 1), .init(name: "a.none", size: 0),
                    .init(name: "a.odd", size: 5_000_011),
                    .init(name: "a.small", size: 3),
                ], to: "\(folder)/model-00001-of-00002.safetensors")
            try Safetensors.write(
                [.init(name: "b.none", size: 0), .init(name: "b.big", size: 9_437_183)],
                to: "\(folder)/model-00002-of-00002.safetensors")
            let places =
                ["a.one", "a.none", "a.odd", "a.small"].map { #""\#($0)":"model-00001-of-00002.safetensors""# }
                + ["b.none", "b.big"].map { #""\#($0)":"model-00002-of-00002.safetensors""# }
            try Files.write(
                #"{"metadata":{"total_size":14437198},"weight_map":{\#(places.joined(separator: ","))}}"#.utf8,
                to: "\(folder)/model.safetensors.index.json")
            try Files.write("{}".utf8, to: "\(folder)/config.json")
            try Files.write([], to: "\(folder)/empty.txt")
            try Files.makeFolder("\(folder)/tokenizer/deep/deeper")
            try Files.write("vocabulary".utf8, to: "\(folder)/tokenizer/vocab.json")
            try Files.write([], to: "\(folder)/tokenizer/deep/deeper/empty")
            try Files.write([0, 1, 2, 255], to: "\(folder)/tokenizer/deep/deeper/four bytes \u{e9}.bin")
        }
    }

    /// As the Hugging Face cache has it: every file a link into a folder of blobs. Returns the snapshot's folder.
    static func hubSnapshot(in cache: String) async throws -> String {
        try await onOwnThread {
            let entry = "\(cache)/models--team--tiny"
            let snapshot = "\(entry)/snapshots/0123abcd"
            try Files.makeFolder("\(entry)/blobs")
            try Files.makeFolder("\(snapshot)/1_Pooling")
            try Safetensors.write([.init(name: "w", size: 6_000_001)], to: "\(entry)/blobs/aa")
            try Files.write("{}".utf8, to: "\(entry)/blobs/bb")
            try Files.link("\(snapshot)/model.safetensors", to: "../../blobs/aa")
            try Files.link("\(snapshot)/config.json", to: "../../blobs/bb")
            try Files.link("\(snapshot)/1_Pooling/config.json", to: "../../../blobs/bb")
            return snapshot
        }
    }

    /// A header of over 10 MB, from many tensors with long names.
    static func longHeader(in folder: String) async throws {
        try await onOwnThread {
            let tensors = (0..<60_000).map { number in
                Safetensors.Tensor(name: "layer.\(number)." + String(repeating: "x", count: 110), size: 2)
            }
            try Safetensors.write(tensors, to: "\(folder)/model.safetensors")
        }
    }
}
