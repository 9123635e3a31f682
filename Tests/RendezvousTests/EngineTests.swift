import Configuration
import EnginePool
import PublicAPI
import Testing

@testable import Rendezvous

@Suite("The gRPC pool's keeper, its texts and its settings")
struct EngineTests {
    @Test(
        "A key is written and read back, whatever its worker's name holds", arguments: ["w", "a:b:c", "é/\u{0}", "7"])
    func keys(_ worker: String) {
        let key = PoolKey(source: "00000000000000aa", worker: worker, rank: 4_000_000_000)
        #expect(PoolText.key(PoolText.id(key)) == key)
    }

    @Test("What is no key is none", arguments: ["", "a", "a:b", "a:0:", "a:-1:w", "a:x:w"])
    func noKeys(_ text: String) { #expect(PoolText.key(Array(text.utf8)) == nil) }

    @Test("A state is written and read back", arguments: [nil, 0, 0.25, Float.infinity])
    func states(_ load: Float?) {
        let state = PoolState(status: -5, updatedAt: .min, load: load, version: 9)
        #expect(PoolText.state(PoolText.state(state), version: 9) == state)
    }

    @Test("What is no state is none", arguments: ["", "1", "1 2", "1 2 x", "x 2 -", "1 2 - 4"])
    func noStates(_ text: String) { #expect(PoolText.state(Array(text.utf8), version: 1) == nil) }

    // MARK: Keeper

    private func keeper() -> PoolKeeper {
        PoolKeeper(limits: PoolLimits(), timeouts: PoolTimeouts(), describe: { Publication(model: "m", body: $0) })
    }

    private let key = PoolKey(source: "00000000000000aa", worker: "w", rank: 0)

    @Test("Without a store that could be asked, what isn't known is unread and not absent")
    func unread() async throws {
        let keeper = keeper()
        await #expect(throws: PoolUnread.self) { try await keeper.list(PoolFilter()) }
        await #expect(throws: PoolUnread.self) { try await keeper.metadata(source: "s", worker: "w") }
        await #expect(throws: PoolRefusal.unknown(key)) {
            try await keeper.update(key, status: .ready, load: nil, caller: nil)
        }
    }

    @Test("Without a store, what was told is answered from memory")
    func fromMemory() async throws {
        let keeper = keeper()
        try keeper.publish(key, Publication(model: "m"), status: 0, updatedAt: 0, caller: nil)
        try await keeper.update(key, status: .ready, load: 0.5, caller: nil)
        #expect(try await keeper.list(PoolFilter()).map(\.state.load) == [0.5])
        #expect(try await keeper.metadata(source: key.source, worker: "w")?.entry.key == key)
        #expect(keeper.tally.byStatus == [.ready: 1])
    }

    // MARK: Settings

    private func settings(_ values: [String: String], port: String? = nil) throws -> EngineSettings {
        try EngineSettings(port: port, environment: Environment(values))
    }

    @Test("Ports and time-outs have the public servers' defaults and names")
    func defaults() throws {
        let standard = try settings([:])
        #expect(standard.port == 8001)
        #expect(standard.timeouts == PoolTimeouts())
        #expect(standard.timeouts.heartbeat == 90_000 && standard.timeouts.forget == 3_600_000)
        let other = try settings(
            ["MX_HEARTBEAT_TIMEOUT_SECS": "3", "MX_GC_TIMEOUT_SECS": "4", "MX_REAPER_SCAN_INTERVAL_SECS": "5"],
            port: "0")
        #expect(other.port == 0)
        #expect((other.timeouts.heartbeat, other.timeouts.forget, other.timeouts.sweep) == (3_000, 4_000, 5_000))
        #expect(try settings(["MX_GRPC_PORT": "none"]).port == nil)
        #expect(try settings(["MX_GRPC_POOL_BYTES": "2GiB"]).limits.bodyBytes == 2 << 30)
    }

    @Test(
        "What can't be meant is refused, and the setting named",
        arguments: [
            "MX_GRPC_PORT": "70000", "MX_HEARTBEAT_TIMEOUT_SECS": "0", "MX_GC_TIMEOUT_SECS": "soon",
            "MX_GRPC_POOL_BYTES": "-1", "MX_GRPC_TLS_CERTIFICATE": "only.pem", "MX_GRPC_TLS_KEY": "only.key",
            "MODEL_EXPRESS_SECURITY_MODE": "maybe",
        ])
    func refused(_ name: String, _ value: String) {
        let error = #expect(throws: ConfigurationError.self) { try settings([name: value]) }
        #expect(error?.description.contains(name) == true)
    }

    @Test("Enforcing without accounts, or without a Kubernetes to ask, is refused")
    func enforcing() {
        let mode = ["MODEL_EXPRESS_SECURITY_MODE": "enforce"]
        #expect(throws: ConfigurationError.self) { try settings(mode) }
        #expect(throws: ConfigurationError.self) {
            try settings(mode.merging(["MODEL_EXPRESS_SECURITY_ALLOWED_SERVICE_ACCOUNTS": "a:b"]) { $1 })
        }
    }

    // MARK: Reviews

    private let review = TokenReview(audiences: ["modelexpress"], allowed: ["engines:vllm"])

    private func answer(_ status: String) -> [UInt8] { Array(#"{"kind":"TokenReview","status":\#(status)}"#.utf8) }

    @Test("A question names token and audiences as the Kubernetes API has them")
    func question() {
        let text = String(decoding: review.question("secret"), as: UTF8.self)
        for part in [
            #""apiVersion":"authentication.k8s.io\/v1""#, #""kind":"TokenReview""#, #""token":"secret""#,
            #""audiences":["modelexpress"]"#,
        ] {
            #expect(text.contains(part), "\(text)")
        }
    }

    @Test("A caller is its account, and its pod where the token is bound to one")
    func caller() throws {
        let account =
            #""authenticated":true,"audiences":["modelexpress"],"user":{"username":"system:serviceaccount:engines:vllm""#
        #expect(try review.caller(answer("{\(account)}}")) == "engines:vllm")
        let pod = #","extra":{"authentication.kubernetes.io/pod-uid":["u1"]}}}"#
        #expect(try review.caller(answer("{\(account)\(pod)")) == "engines:vllm/u1")
    }

    @Test(
        "Whoever isn't known, isn't an account, or is for somebody else, is not let in",
        arguments: [
            "{}", #"{"authenticated":false}"#, #"{"authenticated":true}"#,
            #"{"authenticated":true,"audiences":["modelexpress"],"user":{"username":"alice"}}"#,
            #"{"authenticated":true,"user":{"username":"system:serviceaccount:engines:vllm"}}"#,
            #"{"authenticated":true,"audiences":["vault"],"user":{"username":"system:serviceaccount:engines:vllm"}}"#,
        ])
    func strangers(_ status: String) {
        #expect(throws: CallerRefusal.unauthenticated) { try review.caller(answer(status)) }
    }

    @Test("An account that isn't on the list is named, and what is no answer is none")
    func others() {
        let other =
            #"{"authenticated":true,"audiences":["modelexpress"],"user":{"username":"system:serviceaccount:a:b"}}"#
        #expect(throws: CallerRefusal.notAllowed(name: "a:b")) { try review.caller(answer(other)) }
        #expect(throws: CallerRefusal.unavailable) { try review.caller(Array("nonsense".utf8)) }
    }
}
