import CLinux
import EventThread
import Glibc
import Records
import Transfer

// After the handshake of the shared memory lane the source passes a read-only descriptor for each storage of the layout, in
// order, in messages of at most 64; the reader answers each message with one byte, so that few are ever under way.
// Integers are little-endian.
//
//     message    offset  0  4 bytes  storages in all
//                        4  4        descriptors that come with this message
//                        8  4        alignment of an arena, bytes; 0 when each storage has a descriptor
//     answer     offset  0  1 byte   1
//
// An arena is one sealed memory file that holds all storages (see ArenaLayout); it is passed alone, in one message. A layout
// without storages gets one message without descriptors. Then both sides are silent, and the connection's end is
// the lease's end.

/// The head of one message of descriptors.
struct DescriptorBatch: Equatable {
    static let size = 12
    static let acknowledgement: [UInt8] = [1]

    let total: UInt32
    let count: UInt32
    let alignment: UInt32
}

extension DescriptorBatch: WireCodable {
    func encode(to writer: inout WireWriter) {
        writer.write(total)
        writer.write(count)
        writer.write(alignment)
    }

    init(from reader: inout WireReader) throws(WireError) {
        total = try reader.read("storages")
        count = try reader.read("descriptors in message")
        alignment = try reader.read("arena alignment")
    }
}

/// Passes a lease's descriptors to a reader on the same host, then waits for the end.
struct DescriptorService {
    let socket: Socket
    let lease: ServedLease

    func run() throws(ConnectionEnd) {
        let total = lease.layout.storages.count
        if let arena = lease.content.arena, total > 0 {
            try pass([lease.content.readDescriptor(forStorage: 0)], of: total, alignment: UInt32(arena.alignment))
            return try awaitEnd()
        }
        var first = 0
        repeat {
            let count = min(LaneLimits.descriptorsInBatch, total - first)
            try pass(
                (first..<first + count).map { lease.content.readDescriptor(forStorage: $0) }, of: total, alignment: 0)
            first += count
        } while first < total
        try awaitEnd()
    }

    private func pass(_ descriptors: [Int32], of total: Int, alignment: UInt32) throws(ConnectionEnd) {
        let head = DescriptorBatch(
            total: UInt32(total), count: UInt32(descriptors.count), alignment: alignment
        ).encoded
        let deadline = MonotonicClock.now() + LaneLimits.openTimeout
        do throws(SocketFailure) {
            // Nothing else is in the socket's buffer, so the message goes whole or not at all.
            while mx_send_descriptors(socket.descriptor, head, head.count, descriptors, descriptors.count) < 0 {
                guard errno == EAGAIN else { throw .last("sendmsg") }
                try socket.wait(for: POLLOUT, until: deadline)
            }
            guard try socket.receive(1, until: deadline) == DescriptorBatch.acknowledgement else {
                throw .system(call: "acknowledgement", code: EPROTO)
            }
        } catch {
            throw ConnectionEnd(receiving: error)
        }
    }

    private func awaitEnd() throws(ConnectionEnd) {
        do throws(SocketFailure) {
            _ = try socket.receive(1, until: nil)
        } catch {
            throw ConnectionEnd(receiving: error)
        }
        throw .garbage("bytes after the last descriptor")
    }
}
