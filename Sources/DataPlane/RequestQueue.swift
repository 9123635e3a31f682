import EventThread
import Glibc
import Records

/// Requests that a reader has sent and that wait for their turn, in a bounded buffer.
struct RequestQueue {
    private let limit: Int
    private var bytes: [UInt8] = []
    private var consumed = 0
    private var scratch: [UInt8]

    /// - Parameter limit: requests that may wait; one more is a flood.
    init(limit: Int) {
        self.limit = limit
        scratch = [UInt8](repeating: 0, count: (limit + 1) * LaneRequest.size)
    }

    /// The next request. Waits without end for its first byte, since a reader may have nothing to ask; the rest must follow
    /// soon.
    mutating func next(from socket: Socket) throws(ConnectionEnd) -> LaneRequest {
        var deadline: UInt64?
        while bytes.count - consumed < LaneRequest.size {
            if bytes.count > consumed, deadline == nil { deadline = MonotonicClock.now() + LaneLimits.frameTimeout }
            do throws(SocketFailure) {
                try socket.wait(for: POLLIN, until: deadline)
            } catch {
                throw ConnectionEnd(receiving: error)
            }
            try fill(from: socket)
        }
        let frame = Array(bytes[consumed..<consumed + LaneRequest.size])
        consumed += LaneRequest.size
        guard let request = try? LaneRequest(decoding: frame) else { throw .garbage("a request makes no sense") }
        return request
    }

    /// Takes what has come without waiting.
    mutating func fill(from socket: Socket) throws(ConnectionEnd) {
        bytes.removeFirst(consumed)
        consumed = 0
        let received: Int
        do throws(SocketFailure) {
            received = try scratch.withMutableBytes { (buffer) throws(SocketFailure) in
                try socket.receiveSome(into: buffer) ?? 0
            }
        } catch {
            throw ConnectionEnd(receiving: error)
        }
        bytes.append(contentsOf: scratch[..<received])
        guard bytes.count <= limit * LaneRequest.size else { throw .flood }
    }
}
