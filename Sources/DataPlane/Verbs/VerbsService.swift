import CVerbs
import EventThread
import Glibc
import Records
import Telemetry
import Transfer

/// The source's side of one lease over RDMA: connects its queue pairs to the reader's, opens the content to them and
/// waits for the lease's end. After that the device does all the work.
///
/// The content is registered once, without any right of others. What a reader gets is a memory window of its own for each queue
/// pair, for reading only: its key works on that queue pair and no other, and ends with the lease. Registering for each lease
/// would do the same, and lock the content again each time: seconds for tens of gigabytes. It is what is done on devices
/// without such windows, each lease then in a domain of its own.
struct VerbsService {
    let socket: Socket
    let lease: ServedLease
    let fabric: VerbsFabric?

    func run() throws(ConnectionEnd) {
        let messages = RDMAMessages(socket: socket, sessionKey: lease.sessionKey, kind: .verbs)
        let request: VerbsRequest
        do throws(RDMAMessages.Failure) {
            request = try messages.receive(VerbsRequest.self, from: .reader)
        } catch {
            throw ConnectionEnd(error)
        }
        var served: ServedRails?
        let answer: VerbsAnswer
        do throws(RDMAError) {
            let (rails, arena) = try open(to: request.ends)
            served = rails
            answer = VerbsAnswer(rails: rails.offered, alignment: UInt32(arena.alignment))
        } catch {
            answer = VerbsAnswer(declining: error.description)
            Log(component: "lanes").warning(
                "an RDMA lease was declined", [("lease", lease.lease.short), ("reason", error.description)])
        }
        defer { served?.close() }
        do throws(SocketFailure) {
            try messages.send(answer, as: .source)
            _ = try socket.receive(1, until: nil)
        } catch {
            throw ConnectionEnd(receiving: error)
        }
        throw .garbage("bytes after the queue pairs")
    }

    private func open(to readers: [VerbsEnd]) throws(RDMAError) -> (ServedRails, ArenaLayout) {
        guard let fabric else { throw .noRail("RDMA is off there") }
        guard let arena = lease.content.arena, let memory = ServedMemory(lease.content) else {
            throw .unreadable
        }
        let rails = try fabric.rails()
        let pairs = RDMAPairing.pairs(
            readers: readers.map { RDMAPortAddress(kind: $0.kind, address: $0.address) },
            sources: rails.map { RDMAPortAddress($0.choice) })
        guard !pairs.isEmpty else {
            throw .noRail(
                "the reader has \(readers.map(\.text).joined(separator: ", ")), the source "
                    + rails.map(\.choice.address.text).joined(separator: ", "))
        }
        let served = ServedRails(lease.content, memory, fabric)
        do throws(RDMAError) {
            for pair in pairs { try served.add(rails[pair.source], reader: pair.reader, readers[pair.reader]) }
        } catch {
            served.close()
            throw error
        }
        return (served, arena)
    }
}

/// The source's queue pairs of one lease, with what opens the content to each. One thread.
private final class ServedRails {
    private struct Rail {
        let pair: VerbsQueuePair
        let window: UnsafeMutablePointer<ibv_mw>?
        /// Without windows: the lease's own.
        var region: VerbsRegion?
        let domain: UnsafeMutablePointer<ibv_pd>?
    }

    private let content: any StorageContent
    private let memory: ServedMemory
    private let fabric: VerbsFabric
    private var rails: [Rail] = []
    private(set) var offered: [VerbsAnswer.Rail] = []

    init(_ content: any StorageContent, _ memory: ServedMemory, _ fabric: VerbsFabric) {
        self.content = content
        self.memory = memory
        self.fabric = fabric
    }

    func add(_ rail: VerbsFabric.Rail, reader: Int, _ remote: VerbsEnd) throws(RDMAError) {
        if rail.device.hasWindows {
            try addWindow(rail, reader: reader, remote)
        } else {
            try addRegion(rail, reader: reader, remote)
        }
    }

    private func addWindow(_ rail: VerbsFabric.Rail, reader: Int, _ remote: VerbsEnd) throws(RDMAError) {
        let device = rail.device
        let pair = try VerbsQueuePair(
            rail, domain: device.domain, settings: fabric.settings, isReadable: true, notifies: false)
        // Without any right of others, which the window gives.
        let region = try fabric.served.acquire(content, on: device) { () throws(RDMAError) in
            try VerbsRegion(
                memory, of: content, in: device.domain, on: device, access: IBV_ACCESS_MW_BIND)
        }
        // Made after the queue pair: the kernel takes what a killed process leaves back in the opposite order, and Soft-RoCE's
        // waits for the windows of a queue pair before it lets that go.
        guard let window = ibv_alloc_mw(device.domain, IBV_MW_TYPE_2) else {
            let error = RDMAError.last("make a memory window", device.name)
            fabric.served.release(content, on: device)
            throw error
        }
        device.metrics.regions.add(1)
        // From here on `close` ends all of it.
        rails.append(Rail(pair: pair, window: window, domain: nil))
        try pair.connect(to: remote)
        let key = try pair.open(window, of: region.region, length: memory.count)
        offered.append(VerbsAnswer.Rail(reader: reader, end: pair.end, key: key))
    }

    private func addRegion(_ rail: VerbsFabric.Rail, reader: Int, _ remote: VerbsEnd) throws(RDMAError) {
        let device = rail.device
        guard let domain = ibv_alloc_pd(device.context) else { throw .last("make a protection domain", device.name) }
        do throws(RDMAError) {
            let region = try VerbsRegion(
                memory, of: content, in: domain, on: device, access: IBV_ACCESS_REMOTE_READ)
            let pair = try VerbsQueuePair(
                rail, domain: domain, settings: fabric.settings, isReadable: true, notifies: false)
            rails.append(Rail(pair: pair, window: nil, region: region, domain: domain))
            try pair.connect(to: remote)
            offered.append(VerbsAnswer.Rail(reader: reader, end: pair.end, key: region.region.pointee.rkey))
        } catch {
            if rails.last?.domain != domain { ibv_dealloc_pd(domain) }
            throw error
        }
    }

    /// Ends the reader's access: first the keys, then the queue pairs.
    func close() {
        for rail in rails {
            if let window = rail.window {
                ibv_dealloc_mw(window)
                rail.pair.device.metrics.regions.add(-1)
            }
            rail.pair.destroy()
            if rail.window != nil { fabric.served.release(content, on: rail.pair.device) }
        }
        for index in rails.indices {
            rails[index].region = nil
            if let domain = rails[index].domain { ibv_dealloc_pd(domain) }
        }
        rails = []
    }
}

extension ConnectionEnd {
    init(_ failure: RDMAMessages.Failure) {
        switch failure {
        case .socket(let failure): self.init(receiving: failure)
        case .garbage(let what): self = .garbage(what)
        case .unproved: self = .refused
        }
    }
}
