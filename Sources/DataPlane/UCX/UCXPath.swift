import CUCX
import EventThread
import Telemetry

/// What UCX was asked for and has not ended yet.
final class UCXOperation {
    private let ended: (Int32) -> Void

    /// - Parameter ended: called with a status within a call of UCX, on the worker's thread.
    init(_ ended: @escaping (Int32) -> Void) { self.ended = ended }

    func end(_ status: Int32) { ended(status) }
}

/// The reader's endpoint to one worker of a source, with the key to its memory.
///
/// `@unchecked Sendable`: what changes is touched on the fabric's thread alone, and in deinit.
final class UCXPath: RDMARail, @unchecked Sendable {
    private let fabric: UCXFabric
    private let worker: UCXWorker
    private var own: UCXDevice { worker.device }
    private let remote: UCXAnswer.Rail
    /// For people: the source's address.
    private let remoteText: String
    private var endpoint: OpaquePointer?
    private var key: OpaquePointer?
    private var transport = "not connected"
    private(set) var isOpen = true
    private var inFlight = 0
    private var flushed: (() -> Void)?
    private var ended: (UInt64, RDMAOutcome) -> Void = { _, _ in }

    init(_ fabric: UCXFabric, _ worker: UCXWorker, to remote: UCXAnswer.Rail) {
        self.fabric = fabric
        self.worker = worker
        self.remote = remote
        remoteText = VerbsAddress(index: 0, kind: remote.end.kind, bytes: remote.end.address).text
    }

    var device: String { own.choice.port.device }
    var port: UInt8 { own.choice.port.number }
    var bytesRead: Counter { own.metrics.bytesRead }
    var text: String { "\(transport) on \(own.choice.text) (\(own.choice.reason)) from \(remoteText)" }

    func register(
        _ bytes: UnsafeMutableRawBufferPointer, of owner: AnyObject
    ) throws(RDMAError) -> DestinationRegions.Registration {
        try fabric.ports.destinations.acquire(bytes, of: owner, on: own) { () throws(RDMAError) in
            try UCXRegion(bytes, of: owner, on: own)
        }
    }

    // MARK: On the fabric's thread

    /// Connects, and makes sure that UCX reads by RDMA there. `ended` is told of every read, and of the endpoint's own end as if
    /// it were one.
    func connect(_ ended: @escaping (UInt64, RDMAOutcome) -> Void) throws(RDMAError) {
        let name = own.choice.port.name
        let owner = Unmanaged.passRetained(self)
        let connected = mx_ucx_connect(worker.handle, remote.address, owner.toOpaque(), &endpoint)
        guard connected == 0, let endpoint else {
            owner.release()
            throw .ucx(call: "connect to \(remoteText)", device: name, reason: UCXLibrary.text(connected))
        }
        own.endpoints.add(1)
        self.ended = ended
        let unpacked = mx_ucx_unpack(endpoint, remote.key, &key)
        guard unpacked == 0 else {
            throw .ucx(call: "use the key of \(remoteText)", device: name, reason: UCXLibrary.text(unpacked))
        }
        let description = Self.describe(endpoint)
        guard let transport = UCXSettings.transport(in: description) else {
            Log(component: "rdma").warning("UCX chose no RDMA", [("endpoint", description)])
            throw .notRDMA(device: name, transports: "something else")
        }
        self.transport = transport
    }

    private static func describe(_ endpoint: OpaquePointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: LaneLimits.ucxDescription) { text in
            let length = max(0, mx_ucx_describe(endpoint, text.baseAddress, text.count))
            return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    func read(_ segment: RDMASchedule.Segment, id: UInt64, localKey: UInt32) -> String? {
        guard isOpen, let endpoint, let key else { return "it is not connected" }
        let operation = Unmanaged.passRetained(UCXOperation { [self] in end(id, $0) })
        let status = mx_ucx_get(
            endpoint, key, UnsafeMutableRawPointer(bitPattern: UInt(segment.local)), segment.length,
            remote.base + segment.remote, operation.toOpaque())
        switch status {
        case 1:
            inFlight += 1
            own.inFlight += 1
            return nil
        case 0:
            operation.release()
            fabric.engine.tell { [self] in ended(id, .arrived) }
            return nil
        default:
            operation.release()
            return "a read could not be posted: \(UCXLibrary.text(status))"
        }
    }

    /// A read has ended: nothing of it can land any more.
    private func end(_ id: UInt64, _ status: Int32) {
        inFlight -= 1
        own.inFlight -= 1
        fabric.engine.tell { [self] in
            if isOpen { ended(id, status == 0 ? .arrived : .lost(UCXLibrary.text(status))) }
            finishIfFlushed()
        }
    }

    /// UCX has given the endpoint up; what is in flight ends by itself.
    func fail(_ status: Int32) {
        fabric.engine.tell { [self] in ended(RDMAProbe.id, .lost(UCXLibrary.text(status))) }
    }

    /// UCX ends each read by force and tells of each once the device is done with it. That, and not the call's own return, says
    /// that nothing writes here any more.
    func close(_ done: @escaping () -> Void) {
        isOpen = false
        flushed = done
        if let endpoint {
            let operation = Unmanaged.passRetained(UCXOperation { [self] in end(RDMAProbe.id, $0) })
            if mx_ucx_disconnect(endpoint, operation.toOpaque()) == 1 {
                inFlight += 1
                own.inFlight += 1
            } else {
                operation.release()
            }
        }
        finishIfFlushed()
    }

    private func finishIfFlushed() {
        guard !isOpen, inFlight == 0, let done = flushed else { return }
        flushed = nil
        ended = { _, _ in }
        if let key { mx_ucx_key_destroy(key) }
        key = nil
        if endpoint != nil {
            endpoint = nil
            own.endpoints.add(-1)
            // Of `connect`.
            Unmanaged.passUnretained(self).release()
        }
        done()
    }
}

/// Brings the ends of reads on a lane's paths to its flow.
final class UCXDriver: RDMADriver {
    let probeLimit = LaneLimits.ucxProbe
    private let engine: UCXEngine
    private weak var flow: RDMAFlow?
    private var willProceed = false

    init(_ engine: UCXEngine) { self.engine = engine }

    func begin(_ rails: [any RDMARail], _ flow: RDMAFlow) {
        self.flow = flow
        for (index, rail) in rails.enumerated() {
            guard let path = rail as? UCXPath else { continue }
            do throws(RDMAError) {
                try path.connect { [weak self] id, outcome in self?.take(id, of: index, outcome) }
            } catch {
                let reason = error.description
                engine.tell { [weak flow] in flow?.lose(index, reason) }
            }
        }
    }

    private func take(_ id: UInt64, of index: Int, _ outcome: RDMAOutcome) {
        flow?.take(id, of: index, outcome)
        // Once for all that ended at a time.
        guard !willProceed else { return }
        willProceed = true
        engine.tell { [weak self] in
            self?.willProceed = false
            self?.flow?.proceed()
        }
    }

    func forget(_ rail: any RDMARail) {}
    func kick() {}
    func end() {}
}
