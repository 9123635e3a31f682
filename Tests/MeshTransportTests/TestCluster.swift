import Digest
import EventThread
import Glibc
import Mesh
import MeshTransport
import PeerLogic
import Records
import Signing
import Telemetry
import Transfer
import Trust

/// A cluster with real keys, whose peers run on loopback.
struct TestCluster {
    struct Peer {
        let host: PeerHost
        let endpoints: Endpoints
        let id: PeerID
        let key: CurveKey
        let handler: EffectRecorder

        var seed: String { "127.0.0.1:\(endpoints.bootstrapPort)" }
    }

    private let root = ClusterRoot(signer: Ed25519Signer.generate().signer)

    var cluster: ClusterID { root.anchor.cluster }

    /// A token that holds from `wall` for a day.
    func token(
        roles: Roles = .all, prefixes: [String] = [""], wall: Int64 = Self.now().wall, life: Int64 = 86_400_000
    ) throws -> TokenHolder {
        let (delegate, _) = Ed25519Signer.generate()
        let grant = root.grant(
            delegatedKey: delegate.publicKey, roles: roles, modelPrefixes: prefixes,
            certificateLife: min(life, 3_600_000), notBefore: wall - 1000, notAfter: wall + life)
        return try TokenHolder(anchor: root.anchor, grant: grant, delegate: delegate)
    }

    func peer(seeds: [String] = [], bootstrapPort: UInt16 = 0) async throws -> Peer {
        let now = Self.now()
        let token = try token()
        let secrets = ProcessSecrets()
        let logic = try PeerLogic(
            configuration: PeerConfiguration(
                presence: OwnPresence(name: "test", zone: "", host: ""), seeds: seeds, lanes: [.tcp]),
            token: token, secrets: secrets, verifier: Ed25519Verifier(), generator: SeededGenerator(seed: 1), now: now)
        let handler = EffectRecorder()
        let host = try PeerHost(
            configuration: PeerHostConfiguration(
                bindAddress: "127.0.0.1", advertisedHost: "127.0.0.1", bootstrapPort: bootstrapPort),
            logic: logic, curveSecretKey: secrets.curveSecretKey, handler: handler)
        do {
            return Peer(
                host: host, endpoints: try await host.start(), id: logic.local, key: secrets.curveKey, handler: handler)
        } catch {
            await host.stop()
            throw error
        }
    }

    static func content(model: String) throws -> ServedContent {
        let identity = SourceIdentity(model: model, revision: "1", stage: .files)
        let layout = try Layout(storages: [Storage(name: "a", size: 3)], chunkSize: 4096)
        let digests = [ChunkDigester.portable.digests(of: UnsafeRawBufferPointer(start: nil, count: 0))]
        return ServedContent(
            manifest: try Manifest(identity: identity, rank: 0, layout: layout, tensors: [], digests: digests))
    }

    static func now() -> Moment { Moment(monotonic: MonotonicClock.now(), wall: WallClock.now()) }

    /// Connects, sends and closes.
    static func send(_ bytes: [UInt8], toPort port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { return }
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}

/// Keeps what a peer tells about its pulls.
final class EffectRecorder: PeerEffectHandler {
    private let notice = Guarded<(@Sendable (PullNotice) -> Void)?>(nil)

    var onNotice: (@Sendable (PullNotice) -> Void)? {
        get { notice.withLock { $0 } }
        set { notice.withLock { $0 = newValue } }
    }

    func perform(_ effect: PeerEffect) {
        if case .pull(_, let told) = effect { onNotice?(told) }
    }
}
