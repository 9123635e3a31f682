import CVerbs
import Digest
import EventThread
import Glibc
import Records
import Telemetry

@testable import DataPlane

/// The RDMA devices of this machine. The tests that need some run in the guest of Tests/RDMA.
enum Devices {
    /// Shared by all tests, until the process ends.
    static let fabric = try? VerbsFabric(VerbsSettings())

    static var areThere: Bool { fabric != nil }

    /// As a process has it whose operator trusts the fabric.
    static let ucx = Result { try UCXFabric(UCXSettings(Environment.ucx), ports: required()) }

    enum Environment {
        /// UCX's own variables of this process.
        static let ucx: [String: String] = {
            var variables: [String: String] = [:]
            for name in ["UCX_TLS", "UCX_IB_GID_INDEX", "UCX_NET_DEVICES"] {
                if let value = getenv(name) { variables[name] = String(cString: value) }
            }
            return variables
        }()
    }

    static func required() throws -> VerbsFabric {
        guard let fabric else { throw RDMAError.noPort([]) }
        return fabric
    }
}

/// Proves a lease and connects a queue pair like any reader, then posts what it likes.
final class HostileReader: Sendable {
    let key: UInt32
    let pair: VerbsQueuePair
    private let socket: Socket
    private let scratch: Scratch

    /// Bytes that it reads into and writes from.
    private final class Scratch: Sendable {
        static let size = 4096
        nonisolated(unsafe) let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: size)
        nonisolated(unsafe) let region: UnsafeMutablePointer<ibv_mr>

        init(_ device: VerbsDevice) throws {
            bytes.initializeMemory(as: UInt8.self, repeating: 0xEE)
            guard let region = mx_verbs_register_local(device.domain, bytes.baseAddress, bytes.count) else {
                throw RDMAError.last("register", device.name)
            }
            self.region = region
        }

        deinit {
            ibv_dereg_mr(region)
            bytes.deallocate()
        }
    }

    init(_ rig: LaneRig, _ fabric: VerbsFabric, lease: LeaseID? = nil, sessionKey: Digest256? = nil) throws {
        let opening = rig.opening(.verbs, lease: lease, sessionKey: sessionKey)
        socket = try SocketEndpoints.connectTCP(host: opening.offer.address, port: opening.offer.port) { _ in true }
        try opening.shakeHands(over: socket)
        let rails = try fabric.rails()
        scratch = try Scratch(rails[0].device)
        pair = try VerbsQueuePair(
            rails[0], domain: rails[0].device.domain, settings: fabric.settings, isReadable: false, notifies: false)
        let messages = RDMAMessages(socket: socket, sessionKey: opening.sessionKey, kind: .verbs)
        try messages.send(VerbsRequest(ends: [pair.end]), as: .reader)
        let answer = try messages.receive(VerbsAnswer.self, from: .source)
        guard let rail = answer.rails.first else { throw LaneError.declined(answer.reason) }
        key = rail.key
        try pair.connect(to: rail.end)
    }

    deinit {
        pair.destroy()
        socket.abort()
    }

    /// Posts one request for `length` bytes at `remote` and waits for what becomes of it; nil after 30 s without an answer.
    func post(
        _ operation: ibv_wr_opcode, at remote: UInt64 = 0, length: Int = 8, key: UInt32? = nil
    ) throws -> ibv_wc_status? {
        var place = ibv_sge(
            addr: UInt64(UInt(bitPattern: scratch.bytes.baseAddress)), length: UInt32(length),
            lkey: scratch.region.pointee.lkey)
        let status = withUnsafeMutablePointer(to: &place) { place in
            var request = ibv_send_wr()
            request.sg_list = place
            request.num_sge = 1
            request.opcode = operation
            if operation == IBV_WR_ATOMIC_FETCH_AND_ADD || operation == IBV_WR_ATOMIC_CMP_AND_SWP {
                request.wr.atomic.remote_addr = remote
                request.wr.atomic.rkey = key ?? self.key
                request.wr.atomic.compare_add = 1
            } else {
                request.wr.rdma.remote_addr = remote
                request.wr.rdma.rkey = key ?? self.key
            }
            var refused: UnsafeMutablePointer<ibv_send_wr>?
            return ibv_post_send(pair.handle, &request, &refused)
        }
        guard status == 0 else { throw RDMAError.system(call: "post", device: pair.device.name, code: status) }
        let deadline = MonotonicClock.now() + 30_000_000_000
        var answer: ibv_wc_status?
        while answer == nil, MonotonicClock.now() < deadline { _ = pair.poll { answer = $0.status } }
        return answer
    }

    /// What the last read brought.
    var read: [UInt8] { Array(scratch.bytes.prefix(8)) }
}
