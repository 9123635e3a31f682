import CUCX
import Digest
import EventThread
import Records

@testable import DataPlane

/// Proves a lease like any reader, then asks UCX for what it likes, with a context and a worker of its own. One thread.
final class HostileUCXReader {
    private final class Outcome {
        var status: Int32?
    }

    private let socket: Socket
    private let worker: UCXWorker
    /// What the source told of its worker and its memory.
    let rail: UCXAnswer.Rail
    private let endpoint: OpaquePointer
    private let key: OpaquePointer
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)

    init(_ rig: LaneRig, _ ports: VerbsFabric, lease: LeaseID? = nil, sessionKey: Digest256? = nil) throws {
        let opening = rig.opening(.ucx, lease: lease, sessionKey: sessionKey)
        socket = try SocketEndpoints.connectTCP(host: opening.offer.address, port: opening.offer.port) { _ in true }
        try opening.shakeHands(over: socket)
        let choice = try ports.rails()[0].choice
        _ = try UCXLibrary.load()
        let device = try UCXDevice(
            choice, try UCXSettings(Devices.Environment.ucx).entries(for: choice, ports.settings))
        worker = try UCXWorker(on: device)
        let messages = RDMAMessages(socket: socket, sessionKey: opening.sessionKey, kind: .ucx)
        try messages.send(UCXRequest(generation: 1, ends: [RDMAPortAddress(choice)]), as: .reader)
        let answer = try messages.receive(UCXAnswer.self, from: .source)
        guard let rail = answer.rails.first else { throw LaneError.declined(answer.reason) }
        self.rail = rail
        var endpoint: OpaquePointer?
        var key: OpaquePointer?
        guard mx_ucx_connect(worker.handle, rail.address, nil, &endpoint) == 0, let endpoint,
            mx_ucx_unpack(endpoint, rail.key, &key) == 0, let key
        else { throw RDMAError.ucx(call: "connect", device: choice.port.name, reason: "a test's reader") }
        self.endpoint = endpoint
        self.key = key
        scratch.initializeMemory(as: UInt8.self, repeating: 0xEE)
    }

    deinit {
        _ = mx_ucx_disconnect(endpoint, nil)
        mx_ucx_key_destroy(key)
        // UCX lets go of an endpoint as its worker moves on.
        for _ in 0..<1000 { _ = worker.progress() }
        socket.abort()
        scratch.deallocate()
    }

    /// How a read of 8 bytes, `offset` from the content's start, ends; nil after 30 s without an end.
    func get(at offset: UInt64 = 0) -> Int32? {
        run { mx_ucx_get(endpoint, key, scratch.baseAddress, 8, rail.base + offset, $0) }
    }

    /// The same with the key and the address of another lease.
    func get(by other: UCXAnswer.Rail, at offset: UInt64) -> Int32? {
        var key: OpaquePointer?
        guard mx_ucx_unpack(endpoint, other.key, &key) == 0, let key else { return nil }
        defer { mx_ucx_key_destroy(key) }
        return run { mx_ucx_get(endpoint, key, scratch.baseAddress, 8, other.base + offset, $0) }
    }

    /// How a write of 8 bytes ends.
    func put(at offset: UInt64 = 0) -> Int32? {
        run { mx_ucx_put(endpoint, key, scratch.baseAddress, 8, rail.base + offset, $0) }
    }

    /// What the last read brought, and a write takes.
    var bytes: [UInt8] {
        get { Array(scratch.prefix(8)) }
        set { scratch.copyBytes(from: newValue) }
    }

    private func run(_ call: (UnsafeMutableRawPointer) -> Int32) -> Int32? {
        let outcome = Outcome()
        let operation = Unmanaged.passRetained(UCXOperation { outcome.status = $0 })
        let status = call(operation.toOpaque())
        guard status == 1 else {
            operation.release()
            return status
        }
        let deadline = MonotonicClock.now() + 30_000_000_000
        while outcome.status == nil, MonotonicClock.now() < deadline { _ = worker.progress() }
        return outcome.status
    }
}
