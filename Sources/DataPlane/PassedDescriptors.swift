import CLinux
import EventThread
import Glibc
import Records

/// What a source on this host passed, checked: its content, open to be read; closed with the last reference.
enum PassedContent: Sendable {
    /// One for each storage, in the order of the layout.
    case files(PassedDescriptors)
    case arena(MappedArena)

    /// Receives what DescriptorService passes.
    static func receive(for layout: Layout, over socket: Socket) throws(LaneError) -> PassedContent {
        let (descriptors, alignment) = try PassedDescriptors.receive(for: layout, over: socket)
        guard alignment > 0 else {
            try descriptors.check(against: layout)
            return .files(descriptors)
        }
        guard let place = ArenaLayout(layout, alignment: UInt64(alignment)) else {
            throw .protocolViolation("an arena of alignment \(alignment)")
        }
        return .arena(try MappedArena(descriptors, place))
    }
}

/// Descriptors in the order in which they came; closed with the last reference.
final class PassedDescriptors: Sendable {
    private let descriptors: [Int32]

    private init(adopting descriptors: [Int32]) { self.descriptors = descriptors }

    deinit { for descriptor in descriptors { close(descriptor) } }

    subscript(storage: Int) -> Int32 { descriptors[storage] }

    /// One for each storage of the layout, or one alone with the alignment of its arena, which is 0 otherwise.
    fileprivate static func receive(
        for layout: Layout, over socket: Socket
    ) throws(LaneError) -> (PassedDescriptors, alignment: UInt32) {
        let total = layout.storages.count
        var received: [Int32] = []
        do throws(LaneError) {
            repeat {
                let (batch, alignment) = try receiveBatch(over: socket, total: total)
                received += batch
                if alignment > 0 {
                    guard received.count == 1 else { throw LaneError.protocolViolation("an arena in pieces") }
                    try acknowledge(over: socket)
                    return (PassedDescriptors(adopting: received), alignment)
                }
                guard received.count <= total, !batch.isEmpty || total == 0 else {
                    throw LaneError.protocolViolation("descriptors for another layout")
                }
                try acknowledge(over: socket)
            } while received.count < total
        } catch {
            for descriptor in received { close(descriptor) }
            throw error
        }
        return (PassedDescriptors(adopting: received), 0)
    }

    private static func receiveBatch(
        over socket: Socket, total: Int
    ) throws(LaneError) -> (descriptors: [Int32], alignment: UInt32) {
        var head = [UInt8](repeating: 0, count: DescriptorBatch.size)
        var descriptors = [Int32](repeating: -1, count: LaneLimits.descriptorsInBatch)
        var count = 0
        do throws(SocketFailure) {
            try socket.wait(for: POLLIN, until: MonotonicClock.now() + LaneLimits.openTimeout)
            let received = mx_receive_descriptors(
                socket.descriptor, &head, head.count, &descriptors, descriptors.count, &count)
            if received < 0 { throw .last("recvmsg") }
            if received == 0 { throw .ended }
        } catch .system(_, EMSGSIZE) {
            throw LaneError.noResources("\(total) storages need as many descriptors; raise the limit of open files")
        } catch {
            throw LaneError.connectionLost("while descriptors came: \(error)")
        }
        let batch = try? DescriptorBatch(decoding: head)
        guard let batch, Int(batch.total) == total, Int(batch.count) == count else {
            for descriptor in descriptors.prefix(count) { close(descriptor) }
            throw .protocolViolation("descriptors for another layout")
        }
        return (Array(descriptors.prefix(count)), batch.alignment)
    }

    private static func acknowledge(over socket: Socket) throws(LaneError) {
        do throws(SocketFailure) {
            try socket.send(
                DescriptorBatch.acknowledgement, until: MonotonicClock.now() + LaneLimits.openTimeout)
        } catch {
            throw .connectionLost("while descriptors came: \(error)")
        }
    }

    /// A pipe would hang us, and through a writable descriptor we could change what others read.
    fileprivate func check(against layout: Layout) throws(LaneError) {
        for (descriptor, storage) in zip(descriptors, layout.storages) {
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw .unsuitableDescriptor(storage: storage.name, why: "it is no regular file")
            }
            guard UInt64(max(0, status.st_size)) >= storage.size else {
                throw .unsuitableDescriptor(
                    storage: storage.name, why: "it has \(status.st_size) bytes instead of \(storage.size)")
            }
            guard mx_get_status_flags(descriptor) & O_ACCMODE == O_RDONLY else {
                throw .unsuitableDescriptor(storage: storage.name, why: "it is not read-only")
            }
        }
    }
}
