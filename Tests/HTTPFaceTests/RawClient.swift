import Glibc

/// A blocking socket to a face; each call gives up after a while.
final class RawClient {
    struct Failure: Error, CustomStringConvertible {
        var call: String
        var code: Int32
        var description: String { "\(call): \(String(cString: strerror(code)))" }
    }

    /// An answer; names of headers in lower case.
    struct Reply: Sendable {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private static let patienceSeconds = 20

    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(port: UInt16, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Failure(call: "connect", code: errno) }
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(call: "send", code: errno) }
            sent += count
        }
    }

    /// Says that nothing more will come.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Whatever comes until the server's end.
    func receiveToEnd() throws -> [UInt8] {
        while try receive() {}
        defer { buffer = [] }
        return buffer
    }

    /// The next answer.
    func reply(toHead: Bool = false) throws -> Reply {
        let separator = Array("\r\n\r\n".utf8)
        var end = Self.find(separator, in: buffer)
        while end == nil {
            guard try receive() else { throw Failure(call: "end before an answer", code: ECONNRESET) }
            end = Self.find(separator, in: buffer)
        }
        var reply = Self.head(buffer[..<(end ?? 0)])
        buffer.removeFirst((end ?? 0) + separator.count)
        let length = toHead ? 0 : Int(reply.headers["content-length"] ?? "") ?? 0
        while buffer.count < length {
            guard try receive() else { throw Failure(call: "end within an answer", code: ECONNRESET) }
        }
        reply.body = Array(buffer[..<length])
        buffer.removeFirst(length)
        return reply
    }

    /// The status of the next answer, of which the rest is left where it is.
    func statusOnly() throws -> Int {
        while buffer.count < 12 {
            guard try receive(atMost: 12 - buffer.count) else { throw Failure(call: "no answer", code: ECONNRESET) }
        }
        return Int(String(decoding: buffer[9..<12], as: UTF8.self)) ?? 0
    }

    func exchange(_ text: String) throws -> Reply {
        try send(text)
        return try reply()
    }

    private func receive(atMost bytes: Int = 65536) throws -> Bool {
        var piece = [UInt8](repeating: 0, count: bytes)
        let count = recv(descriptor, &piece, piece.count, 0)
        guard count >= 0 else { throw Failure(call: "recv", code: errno) }
        buffer.append(contentsOf: piece[..<count])
        return count > 0
    }

    private static func find(_ needle: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= needle.count else { return nil }
        return (0...bytes.count - needle.count).first { bytes[$0..<$0 + needle.count].elementsEqual(needle) }
    }

    private static func head(_ bytes: ArraySlice<UInt8>) -> Reply {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        }
        return Reply(status: status, headers: headers, body: [])
    }
}
