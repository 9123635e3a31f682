import EventThread
import Glibc
import Records
import Telemetry
import Transfer

/// Answers a reader's requests on one TCP connection, in their order, straight from the storages' descriptors.
struct ChunkService {
    private let socket: Socket
    private let lease: ServedLease
    private let limiter: RateLimiter?
    private let metrics: LaneMetrics
    private let onServed: @Sendable (LeaseID, UInt64) -> Void
    private var requests: RequestQueue

    init(
        socket: Socket, lease: ServedLease, limiter: RateLimiter?, metrics: LaneMetrics,
        onServed: @escaping @Sendable (LeaseID, UInt64) -> Void
    ) {
        self.socket = socket
        self.lease = lease
        self.limiter = limiter
        self.metrics = metrics
        self.onServed = onServed
        requests = RequestQueue(limit: 2 * max(1, Int(lease.window)))
    }

    /// Returns only by throwing why it ended.
    mutating func run() throws(ConnectionEnd) {
        while true {
            let request = try requests.next(from: socket)
            try answer(request)
            // While this one was sent others may have come: count them now, not when their turn comes.
            try requests.fill(from: socket)
        }
    }

    private func answer(_ request: LaneRequest) throws(ConnectionEnd) {
        guard request.chunk < UInt64(lease.layout.chunkCount) else {
            return try send(LaneResponse(status: .outOfRange, id: request.id, length: 0))
        }
        let chunk = Int(request.chunk)
        guard lease.availability.contains(chunk) else {
            return try send(LaneResponse(status: .notAvailable, id: request.id, length: 0))
        }
        let extents = lease.content.extents(ofChunk: chunk)
        if let storage = extents.first(where: { !isWhole($0) })?.storage {
            try send(LaneResponse(status: .sourceFailed, id: request.id, length: 0))
            // The frame must go out before the reset that ends the connection.
            awaitDelivery()
            throw .storage("\(lease.layout.storages[storage].name) is shorter than it was")
        }
        let length = UInt64(lease.layout.length(ofChunk: chunk))
        try send(LaneResponse(status: .bytes, id: request.id, length: length), more: true)
        for extent in extents { try send(extent) }
        metrics.count(length, lease.closeness)
        onServed(lease.lease, length)
    }

    private func isWhole(_ extent: Extent) -> Bool {
        var status = stat()
        guard fstat(lease.content.readDescriptor(forStorage: extent.storage), &status) == 0 else { return false }
        return UInt64(max(0, status.st_size)) >= extent.offset + UInt64(extent.length)
    }

    private func send(_ response: LaneResponse, more: Bool = false) throws(ConnectionEnd) {
        do throws(SocketFailure) {
            try socket.send(response.encoded, until: MonotonicClock.now() + LaneLimits.sendStall, more: more)
        } catch {
            throw ConnectionEnd(sending: error)
        }
    }

    private func send(_ extent: Extent) throws(ConnectionEnd) {
        let source = lease.content.readDescriptor(forStorage: extent.storage)
        var offset = off_t(extent.offset)
        let end = offset + off_t(extent.length)
        while offset < end {
            let slice = limiter == nil ? Int(end - offset) : min(Int(end - offset), LaneLimits.throttledSlice)
            do throws(SocketFailure) {
                if let wait = limiter?.take(slice), wait > 0 { try socket.pause(nanoseconds: wait) }
                try send(from: source, &offset, until: offset + off_t(slice))
            } catch {
                throw ConnectionEnd(sending: error)
            }
        }
    }

    /// Each step forward gives the reader new time. sendfile(2) can't be told to raise no SIGPIPE; the pool's threads block it.
    private func send(from source: Int32, _ offset: inout off_t, until end: off_t) throws(SocketFailure) {
        while offset < end {
            let count = sendfile(socket.descriptor, source, &offset, Int(end - offset))
            if count > 0 { continue }
            // The file ended before its layout does: it shrank since it was looked at.
            if count == 0 { throw .system(call: "sendfile", code: ENODATA) }
            switch errno {
            case EAGAIN: try socket.wait(for: POLLOUT, until: MonotonicClock.now() + LaneLimits.sendStall)
            case EINTR: continue
            default: throw .last("sendfile")
            }
        }
    }

    /// Says that nothing follows and waits until the reader has seen it, which it shows by closing.
    private func awaitDelivery() {
        shutdown(socket.descriptor, Int32(SHUT_WR))
        let deadline = MonotonicClock.now() + LaneLimits.frameTimeout
        _ = try? socket.wait(for: POLLHUP | Self.peerFinished, until: deadline)
    }

    /// POLLRDHUP: the peer sends nothing more. (Hidden from Swift without _GNU_SOURCE.)
    private static let peerFinished: Int32 = 0x2000
}
