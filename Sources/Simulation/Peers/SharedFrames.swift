import Digest
import Mesh
import Records

/// Opens each frame once for all peers of a run: what a thousand peers would decode a thousand times is one object that all of
/// them hold.
///
/// Frames are found by the first word of their signature, which differs wherever anything differs, and then compared whole.
///
/// `@unchecked Sendable`: each run makes one of its own, and a run is confined to one thread.
final class SharedFrames: FrameOpening, @unchecked Sendable {
    /// Frames in each of two generations: a full one becomes the old one, and the old one is forgotten.
    private static let capacity = 1 << 16

    private struct Generation {
        var positions = WordTable()
        var frames: [OpenedFrame] = []

        func frame(_ word: UInt64) -> OpenedFrame? { positions.value(of: word).map { frames[$0] } }

        mutating func insert(_ frame: OpenedFrame, _ word: UInt64) {
            guard positions.value(of: word) == nil else { return }
            positions.insert(word, frames.count)
            frames.append(frame)
        }
    }

    private var young = Generation()
    private var old = Generation()

    func digest(of bytes: [UInt8]) -> Digest256 { known(bytes)?.digest ?? BLAKE2b.digest(bytes) }

    func open(_ bytes: [UInt8], digest: Digest256) -> OpenedFrame? { known(bytes) }

    private func known(_ bytes: [UInt8]) -> OpenedFrame? {
        guard let word = Self.signatureWord(of: bytes) else { return nil }
        if let frame = young.frame(word) ?? old.frame(word), Self.areEqual(frame.bytes, bytes) { return frame }
        guard let frame = OpenedFrame(bytes, digest: BLAKE2b.digest(bytes)) else { return nil }
        if young.frames.count >= Self.capacity {
            old = young
            young = Generation()
        }
        young.insert(frame, word)
        return frame
    }

    /// Nil for what is too short to be a frame.
    private static func signatureWord(of bytes: [UInt8]) -> UInt64? {
        guard bytes.count >= Signature.byteCount else { return nil }
        return bytes.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: bytes.count - Signature.byteCount, as: UInt64.self)
        }
    }

    /// Word by word: comparing arrays goes byte by byte.
    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                guard left.baseAddress != right.baseAddress else { return true }
                var offset = 0
                while offset + 8 <= left.count {
                    let (one, other) = (
                        left.loadUnaligned(fromByteOffset: offset, as: UInt64.self),
                        right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    )
                    guard one == other else { return false }
                    offset += 8
                }
                return (offset..<left.count).allSatisfy { left[$0] == right[$0] }
            }
        }
    }
}
