import EventThread
import Records
import Telemetry
import Transfer

/// The source's side of one lease over UCX: says where its workers and its memory are, and waits for the lease's end.
///
/// Each lease has workers of its own, which end with it, and its reader's connections with them. What it can't take back is the
/// key: it is the registration's, the same for all readers, and opens the content over any other connection to this source.
struct UCXService {
    let socket: Socket
    let lease: ServedLease
    let fabric: UCXFabric?

    func run() throws(ConnectionEnd) {
        let messages = RDMAMessages(socket: socket, sessionKey: lease.sessionKey, kind: .ucx)
        let request: UCXRequest
        do throws(RDMAMessages.Failure) {
            request = try messages.receive(UCXRequest.self, from: .reader)
        } catch {
            throw ConnectionEnd(error)
        }
        var workers: [UCXWorker] = []
        defer {
            for worker in workers {
                fabric?.end(worker)
                fabric?.served.release(lease.content, on: worker.device)
                // Only now: while the reader connects, that would take from the processor that it waits for.
                fabric?.prepare(worker.device)
            }
        }
        let answer: UCXAnswer
        do throws(RDMAError) {
            answer = try open(to: request, with: &workers)
        } catch {
            answer = UCXAnswer(generation: request.generation, declining: error.description)
            Log(component: "lanes").warning(
                "a UCX lease was declined", [("lease", lease.lease.short), ("reason", error.description)])
        }
        do throws(SocketFailure) {
            try messages.send(answer, as: .source)
            _ = try socket.receive(1, until: nil)
        } catch {
            throw ConnectionEnd(receiving: error)
        }
        throw .garbage("bytes after the workers' addresses")
    }

    private func open(
        to request: UCXRequest, with workers: inout [UCXWorker]
    ) throws(RDMAError) -> UCXAnswer {
        guard let fabric else { throw .notTrusted }
        guard let arena = lease.content.arena, let memory = lease.content.arenaMemory, memory.count > 0 else {
            throw .unreadable
        }
        let devices = fabric.readers.map(\.device)
        let pairs = RDMAPairing.pairs(readers: request.ends, sources: devices.map { RDMAPortAddress($0.choice) })
        guard !pairs.isEmpty else {
            throw .noRail("the source has \(devices.map(\.choice.text).joined(separator: ", "))")
        }
        var rails: [UCXAnswer.Rail] = []
        for pair in pairs {
            let device = devices[pair.source]
            let region = try fabric.served.acquire(lease.content, on: device) { () throws(RDMAError) in
                try UCXRegion(memory, of: lease.content, on: device)
            }
            do throws(RDMAError) {
                workers.append(try fabric.serve(on: device))
            } catch {
                fabric.served.release(lease.content, on: device)
                throw error
            }
            rails.append(
                UCXAnswer.Rail(
                    reader: pair.reader, end: RDMAPortAddress(device.choice),
                    address: workers[workers.count - 1].address,
                    key: try region.packedKey(), base: UInt64(UInt(bitPattern: memory.baseAddress))))
        }
        return UCXAnswer(generation: request.generation, rails: rails, alignment: UInt32(arena.alignment))
    }
}
