import DataPlane
import Digest
import EventThread
import Records
import Telemetry
import Transfer

/// Keeps what it is given in memory.
final class MemorySink: ChunkSink {
    struct Full: Error, CustomStringConvertible {
        let description = "No space left on device"
    }

    private let chunks = Guarded([Int: [UInt8]]())
    private let isFull: Bool

    init(isFull: Bool = false) { self.isFull = isFull }

    func write(chunk: Int, bytes: UnsafeRawBufferPointer) throws {
        if isFull { throw Full() }
        let copy = Array(bytes)
        chunks.withLock { $0[chunk] = copy }
    }

    var written: [Int: [UInt8]] { chunks.withLock { $0 } }

    /// All chunks in order.
    var content: [UInt8] { written.sorted { $0.key < $1.key }.flatMap(\.value) }
}

/// What lanes said, in order.
final class EventRecorder: Sendable {
    private let events = Guarded<(all: [LaneEvent], outcomes: Int)>(([], 0))

    func record(_ event: LaneEvent) {
        events.withLock { events in
            events.all.append(event)
            switch event {
            case .verified, .bounced, .failed: events.outcomes += 1
            default: break
            }
        }
    }

    var all: [LaneEvent] { events.withLock { $0.all } }

    var verified: [Int] {
        all.compactMap { if case .verified(_, let chunk, _) = $0 { chunk } else { nil } }
    }

    var failures: [Int: LaneError] {
        let pairs = all.compactMap { event -> (Int, LaneError)? in
            if case .failed(_, let chunk, let error) = event { (chunk, error) } else { nil }
        }
        return Dictionary(pairs) { $1 }
    }

    /// How many reads have ended, either way.
    var outcomes: Int { events.withLock { $0.outcomes } }

    var openFailure: LaneError? {
        all.compactMap { if case .openFailed(_, let error) = $0 { error } else { nil } }.first
    }

    var isOpened: Bool { all.contains { if case .opened = $0 { true } else { false } } }

    var isClosed: Bool {
        if case .closed = all.last { true } else { false }
    }
}

/// A source that serves files under one lease, and a target that reads them.
final class LaneRig: Sendable {
    let folder: TemporaryFolder
    let storages: any StorageContent
    let digests: [ChunkDigests]
    let server: LaneServer
    let availability: ChunkAvailability
    let lease = LeaseID(testDigest(7))
    let sessionKey = testDigest(8)
    let destination: any ChunkSink
    let events = EventRecorder()
    let served = Guarded(UInt64(0))
    private let verification: WorkerPool
    private let fabric: VerbsFabric?
    private let ucx: UCXFabric?

    static let digester = ChunkDigester(
        crc32c: DataPlaneKernels.crc32c, strong: { BLAKE2b.digest(of: $0) })

    /// - Parameter missing: chunks that the source doesn't have yet.
    convenience init(
        _ files: [[UInt8]], chunkSize: UInt64 = 4096, missing: Set<Int> = [], sinkIsFull: Bool = false,
        window: UInt16 = 8, configure: (inout LaneServer.Configuration) -> Void = { _ in }
    ) throws {
        let folder = try TemporaryFolder()
        let content = try FileContent(files, chunkSize: chunkSize, in: folder.path)
        try self.init(
            folder, content, content.bytes, missing: missing, sink: MemorySink(isFull: sinkIsFull), window: window,
            configure: configure)
    }

    /// Serves content of any kind into a sink of any kind. `bytes` are those of the content, end to end.
    init(
        _ folder: TemporaryFolder, _ content: any StorageContent, _ bytes: [UInt8], missing: Set<Int> = [],
        sink: any ChunkSink, digests known: [ChunkDigests]? = nil, window: UInt16 = 8,
        configure: (inout LaneServer.Configuration) -> Void = { _ in }
    ) throws {
        self.folder = folder
        storages = content
        digests = known ?? Self.digests(of: content.layout, bytes)
        destination = sink
        verification = try WorkerPool(name: "verify", threads: 2, capacity: 64)
        var configuration = LaneServer.Configuration(peer: PeerID(testDigest(1)))
        configuration.tcpBindAddress = "127.0.0.1"
        configuration.hostSocketDirectory = folder.path
        configuration.maximumConnections = 8
        configure(&configuration)
        fabric = configuration.fabric
        ucx = configuration.ucx
        let served = served
        server = try LaneServer(configuration: configuration) { _, bytes in served.withLock { $0 += bytes } }
        var chunks = ChunkSet(chunkCount: content.layout.chunkCount)
        for chunk in 0..<content.layout.chunkCount where !missing.contains(chunk) { chunks.insert(chunk) }
        availability = ChunkAvailability(chunks)
        server.admit(
            ServedLease(
                lease: lease, sessionKey: sessionKey, window: window, content: content, layout: content.layout,
                availability: availability))
    }

    /// Ends what still runs.
    func tearDown() async {
        await offPool { [self] in
            server.stop()
            verification.stop()
        }
    }

    func target(
        integrity: LaneIntegrity = .full, digests: [ChunkDigests]? = nil, buffers: ChunkBufferPool? = nil,
        digester: ChunkDigester = LaneRig.digester, events: EventRecorder? = nil
    ) -> LaneTarget {
        let events = events ?? self.events
        return LaneTarget(
            layout: storages.layout, digests: digests ?? self.digests, digester: digester, integrity: integrity,
            sink: destination, buffers: buffers ?? ChunkBufferPool(bufferSize: Int(storages.layout.chunkSize)),
            verification: verification, onEvent: { events.record($0) })
    }

    func opening(
        _ kind: LaneKind, lease: LeaseID? = nil, sessionKey: Digest256? = nil, window: UInt16 = 8
    ) -> LaneOpening {
        let offer =
            kind != .sharedMemory
            ? LaneOffer(kind: kind, address: "127.0.0.1", port: server.tcpPort)
            : LaneOffer(kind: kind, address: server.socketName ?? "", port: 0)
        var opening = LaneOpening(
            tag: LaneTag(lease: lease ?? self.lease, kind: kind, generation: 1), offer: offer,
            sessionKey: sessionKey ?? self.sessionKey, window: window, hostSocketDirectory: folder.path)
        opening.fabric = fabric
        opening.ucx = ucx
        return opening
    }

    func open(_ kind: LaneKind, integrity: LaneIntegrity = .full) throws -> any LaneReader {
        try Lanes.open(opening(kind), into: target(integrity: integrity))
    }

    func readAll(_ lane: any LaneReader) {
        for chunk in 0..<storages.layout.chunkCount { lane.read(chunk: chunk) }
    }

    /// What the files' rig serves and fills.
    var content: FileContent {
        guard let files = storages as? FileContent else { preconditionFailure("this rig serves no files") }
        return files
    }

    var sink: MemorySink {
        guard let memory = destination as? MemorySink else { preconditionFailure("this rig fills another sink") }
        return memory
    }

    private static func digests(of layout: Layout, _ bytes: [UInt8]) -> [ChunkDigests] {
        (0..<layout.chunkCount).map { chunk in
            let start = chunk * Int(layout.chunkSize)
            return bytes[start..<start + layout.length(ofChunk: chunk)].withUnsafeBytes {
                digester.digests(of: $0)
            }
        }
    }
}

func testDigest(_ byte: UInt8) -> Digest256 { Digest256([UInt8](repeating: byte, count: 32)) ?? .zero }

/// Runs what blocks on a thread of its own.
func offPool<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        guard let pool = try? WorkerPool(name: "test", threads: 1, capacity: 1) else {
            preconditionFailure("no thread for a test")
        }
        pool.submit {
            continuation.resume(returning: body())
            // Keeps the pool until here; it ends with this closure.
            withExtendedLifetime(pool) {}
        }
    }
}

/// Waits until `condition` holds; false after 20 s, which no healthy run comes near.
/// Looks each millisecond, or so often as is said, whether a condition holds.
func eventually(every pause: UInt64 = 1_000_000, _ condition: @Sendable () -> Bool) async -> Bool {
    let deadline = MonotonicClock.now() + 20_000_000_000
    while !condition() {
        if MonotonicClock.now() > deadline { return false }
        try? await Task.sleep(nanoseconds: pause)
    }
    return true
}
