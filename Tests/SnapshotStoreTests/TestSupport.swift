import EventThread
import Glibc
import Records
import Telemetry
import Testing

@testable import SnapshotStore

/// How long anything may take that a test waits for. Long, since the machine may be busy; passing tests don't use it up.
let patience = Duration.seconds(30)

/// Waits until `condition` holds; false when patience ends before.
func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + patience
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try? await Task.sleep(nanoseconds: 5_000_000)
    }
    return false
}

/// A folder under /tmp with a name short enough for a socket, removed with what is in it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/mx-redis-XXXXXX".utf8CString)
        let made: UnsafeMutablePointer<CChar>? = mkdtemp(&template)
        path = String(cString: try #require(made))
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != "." && name != ".." { remove(path + "/" + name) }
            }
            closedir(folder)
        }
        Glibc.remove(path)
    }
}

/// Talks to a Redis past the store, on a thread of its own.
final class RawRedis: Sendable {
    private let thread: EventThread
    let url: RedisURL

    init(_ url: RedisURL) throws {
        self.url = url
        thread = try EventThread(name: "raw-redis")
        try thread.run()
    }

    func stop() { thread.post { [thread] in thread.stop() } }

    func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await thread.perform(body)
    }

    @discardableResult
    func command(_ words: String...) async throws -> RedisReply {
        try await thread.perform { [url] in try RedisConnection(url).command(words) }
    }

    /// All names that Redis has.
    func keys() async throws -> [String] {
        guard case .array(let names) = try await command("KEYS", "*") else { return [] }
        return names.compactMap { if case .bytes(let name) = $0 { String(decoding: name, as: UTF8.self) } else { nil } }
    }

    func integer(_ words: String...) async throws -> Int64? {
        try await thread.perform { [url] in
            guard case .integer(let value) = try RedisConnection(url).command(words) else { return nil }
            return value
        }
    }
}

/// A store whose callbacks are remembered, over a counter registry of its own.
final class ObservedStore: Sendable {
    let store: SnapshotStore
    let metrics = Metrics()
    let refills: Guarded<Int>
    let states: Guarded<[SnapshotStoreState]>

    init(_ url: RedisURL, floorLife: UInt64 = 60_000, limits: SnapshotStoreLimits = SnapshotStoreLimits()) throws {
        let refills = Guarded(0)
        let states = Guarded([SnapshotStoreState]())
        self.refills = refills
        self.states = states
        store = try SnapshotStore(
            url: url, cluster: Sample.cluster, floorLife: floorLife, limits: limits, metrics: metrics,
            onStateChange: { state in states.withLock { $0.append(state) } },
            onReconnected: { refills.withLock { $0 += 1 } })
        try store.start()
    }

    var refillCount: Int { refills.withLock { $0 } }

    func writes(_ result: String) -> UInt64 {
        metrics.counter("modelexpress_snapshot_store_writes_total", help: "", labels: [("result", result)]).value
    }

    /// The reason of the present outage.
    var reason: RedisError? {
        if case .disconnected(_, let reason) = store.state { reason } else { nil }
    }

    func waitUntilConnected() async -> Bool { await eventually { store.state == .connected } }
}

/// Records to be stored.
enum Sample {
    static let cluster = ClusterID(bytes: [UInt8](repeating: 0xC1, count: 32)).unsafelyUnwrapped

    static func recordID(_ number: Int) -> RecordID { RecordID(bytes: bytes(number, 0xAA)).unsafelyUnwrapped }
    static func owner(_ number: Int) -> PeerID { PeerID(bytes: bytes(number, 0xBB)).unsafelyUnwrapped }

    static func record(
        _ number: Int, owner: Int = 0, version: Version = Version(incarnation: 1, sequence: 1), life: UInt64 = 600_000,
        size: Int = 300
    ) -> StoredRecord {
        // All byte values, among them those that end C strings and lines.
        let salt = Int(truncatingIfNeeded: version.sequence & 0xFFFF) + number
        let frame = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ salt) }
        return StoredRecord(
            recordID: recordID(number), owner: Self.owner(owner), kind: 3, version: version, remainingLife: life,
            frame: frame)
    }

    private static func bytes(_ number: Int, _ filler: UInt8) -> [UInt8] {
        [UInt8](repeating: filler, count: 24) + (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }
}
