import CLinux
import EventThread
import FoundationEssentials
import Glibc

/// The Unix socket beside a worker's: passes its memory, and ends with it.
final class EngineStream {
    private static let lineLimit = 4096

    private struct Request: Encodable {
        let generation: String
    }

    private struct Answer: Decodable {
        let arena: Int
        let size: UInt64
    }

    private let descriptor: Int32

    /// - Throws: `gone` when nobody listens.
    init(path: String) throws(EngineError) {
        // Every property is set from here on: whatever is thrown, deinit closes, and nobody else may.
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system("no socket can be made: \(String(cString: strerror(errno)))") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .system("\(path) is too long for a socket's path")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            let code = errno
            if code == ECONNREFUSED || code == ENOENT { throw .gone }
            throw .system("\(path): \(String(cString: strerror(code)))")
        }
    }

    deinit { close(descriptor) }

    /// Whether the other end is there. Doesn't wait.
    var isOpen: Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT) | Int32(MSG_PEEK))
        return count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    }

    /// Asks for the worker's arena; the caller owns the descriptor. Waits for a bounded time.
    func arena(generation: String) throws(EngineError) -> (descriptor: Int32, number: Int, size: UInt64) {
        guard let line = try? JSONEncoder().encode(Request(generation: generation)) else {
            throw .malformed("no generation")
        }
        let sent = line.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == line.count else { throw .gone }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard mx_poll(&entry, 1, Int64(EngineLimits.connect)) > 0 else { throw .silent }
        var bytes = [UInt8](repeating: 0, count: Self.lineLimit)
        var passed: Int32 = -1
        var passedCount = 0
        let count = mx_receive_descriptors(descriptor, &bytes, bytes.count, &passed, 1, &passedCount)
        guard count > 0 else { throw count == 0 ? .gone : .system("the worker's memory can't be received") }
        guard passedCount == 1 else { throw .refused("it has no memory to hand over now") }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(bytes[..<count])) else {
            close(passed)
            throw .malformed("memory without its size")
        }
        return (passed, answer.arena, answer.size)
    }
}
