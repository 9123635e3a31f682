import CLinux
import Glibc

/// Writes safetensors files for tests: sound ones, and ones with any header.
enum Safetensors {
    /// Bytes that are repeated, each time with another beginning, so that no two chunks are alike.
    private static let pattern: [UInt8] = {
        var random = SeededRandom(seed: 1)
        return random.bytes(1 << 20)
    }()

    /// A tensor of bytes.
    struct Tensor {
        let name: String
        let size: Int
    }

    /// The tensors lie one after the other in their order.
    static func write(_ tensors: [Tensor], to path: String) throws {
        try write(header: header(tensors), dataSize: tensors.reduce(0) { $0 + $1.size }, to: path)
    }

    /// Any header text and any amount of data after it.
    ///
    /// - Parameter claimedSize: what the file says its header's size is, when that is not the truth.
    static func write(header: String, dataSize: Int, claimedSize: UInt64? = nil, to path: String) throws {
        let descriptor = mx_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { throw Files.failure("write", path) }
        defer { close(descriptor) }
        let text = Array(header.utf8)
        let size = (claimedSize ?? UInt64(text.count)).littleEndian
        try Files.append(withUnsafeBytes(of: size) { Array($0)[...] }, to: descriptor, path)
        try Files.append(text[...], to: descriptor, path)
        var (block, rest, counter) = (pattern, dataSize, UInt64(path.utf8.count))
        while rest > 0 {
            counter += 1
            block.withUnsafeMutableBytes { $0.storeBytes(of: counter, as: UInt64.self) }
            try Files.append(block.prefix(rest), to: descriptor, path)
            rest -= min(rest, block.count)
        }
    }

    /// A file of `size` data bytes that is a hole but for a few bytes in each `stride`: large, and small on disk.
    static func writeSparse(size: Int, stride: Int, to path: String) throws {
        let text = header([Tensor(name: "weight", size: size)])
        try write(header: text, dataSize: 0, to: path)
        let descriptor = mx_open(path, O_WRONLY, 0)
        guard descriptor >= 0 else { throw Files.failure("write", path) }
        defer { close(descriptor) }
        let start = 8 + text.utf8.count
        guard ftruncate(descriptor, off_t(start + size)) == 0 else { throw Files.failure("lengthen", path) }
        for (index, offset) in Swift.stride(from: 0, to: size - 8, by: stride).enumerated() {
            var word = UInt64(index + 1)
            guard pwrite(descriptor, &word, 8, off_t(start + offset)) == 8 else { throw Files.failure("write", path) }
        }
    }

    static func header(_ tensors: [Tensor]) -> String {
        var (entries, offset): ([String], Int) = ([], 0)
        for tensor in tensors {
            let end = offset + tensor.size
            entries.append(
                #""\#(tensor.name)":{"dtype":"U8","shape":[\#(tensor.size)],"data_offsets":[\#(offset),\#(end)]}"#)
            offset = end
        }
        return "{\(entries.joined(separator: ","))}"
    }
}
