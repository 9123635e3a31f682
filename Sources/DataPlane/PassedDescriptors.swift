import CLinux
import EventThread
import Glibc
import Records

/// Descriptors of a source's storages, checked, in the order of the layout; closed with the last reference.
final class PassedDescriptors: Sendable {
    private let descriptors: [Int32]

    private init(adopting descriptors: [Int32]) { self.descriptors = descriptors }

    deinit { for descriptor in descriptors { close(descriptor) } }

    subscript(storage: Int) -> Int32 { descriptors[storage] }

    /// Receives what DescriptorService passes.
    static func receive(for layout: Layout, over socket: Socket) throws(LaneError) -> PassedDescriptors {
        var received: [Int32] = []
        do throws(LaneError) {
            repeat {
                let batch = try receiveBatch(over: socket, total: layout.storages.count)
                received += batch
                guard received.count <= layout.storages.count, !batch.isEmpty || layout.storages.isEmpty else {
                    throw LaneError.protocolViolation("descriptors for another layout")
                }
                try acknowledge(over: socket)
            } while received.count < layout.storages.count
        } catch {
            for descriptor in received { close(descriptor) }
            throw error
        }
        let passed = PassedDescriptors(adopting: received)
        try passed.check(against: layout)
        return passed
    }

    private static func receiveBatch(over socket: Socket, total: Int) throws(LaneError) -> [Int32] {
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
        return Array(descriptors.prefix(count))
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
    private func check(against layout: Layout) throws(LaneError) {
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
