import Configuration
import EventThread
import LocalAPI
import Records
import Telemetry
import Trust

/// Keeps the join Secret: creates it where it is absent, and replaces the token at half its life. Pods that mount it wait until it is
/// there.
struct JoinSecretKeeper: Sendable {
    /// How often the Secret is looked at, so that one that was removed is soon there again, milliseconds.
    private static let period: Int64 = 60_000
    /// The first and the longest pause after a failure, milliseconds.
    private static let shortestPause: Int64 = 1_000
    private static let longestPause: Int64 = 60_000
    /// Looks in a row that end in a conflict with another server before there is a pause.
    private static let conflicts = 5

    private enum Outcome: Sendable {
        /// Nothing to do before then, milliseconds since 1970.
        case kept(until: Int64)
        case changed(String)
        /// Somebody else was quicker: look again.
        case conflict
        case failed(String)
    }

    private let client: KubernetesClient
    private let plan: JoinSecretPlan
    private let log = Log(component: "join-secret")
    private let changes: Counter
    private let failures: Counter
    private let isKept: Gauge

    init(_ settings: KubernetesSettings, root: ClusterRoot, metrics: Metrics = .shared) {
        client = KubernetesClient(settings: settings)
        plan = JoinSecretPlan(root: root, name: settings.secret, life: settings.tokenLife)
        changes = metrics.counter(
            "modelexpress_join_secret_changes_total",
            help: "Times that the join Secret was created or its token replaced.")
        failures = metrics.counter(
            "modelexpress_join_secret_failures_total", help: "Looks at the join Secret that failed.")
        isKept = metrics.gauge(
            "modelexpress_join_secret_kept",
            help: "1 while the join Secret holds a token of this cluster that holds, else 0.")
    }

    /// Runs until its task is cancelled.
    func run() async {
        var pause = Self.shortestPause
        var conflicts = 0
        var lastFailure = ""
        while !Task.isCancelled {
            let outcome = (try? await BlockingThread.run(name: "kubernetes") { look() }) ?? .failed("no thread is left")
            switch outcome {
            case .changed(let what):
                changes.increment()
                log.info("\(what)", [("secret", client.settings.secret), ("namespace", client.settings.namespace)])
                (pause, conflicts, lastFailure) = (Self.shortestPause, 0, "")
            case .kept(let until):
                isKept.set(1)
                (pause, conflicts, lastFailure) = (Self.shortestPause, 0, "")
                await sleep(min(max(until - WallClock.now(), Self.shortestPause), Self.period))
            case .conflict:
                conflicts += 1
                if conflicts >= Self.conflicts { await sleep(pause) }
            case .failed(let reason):
                failures.increment()
                isKept.set(0)
                if reason != lastFailure { log.warning("the join Secret is not kept", [("reason", reason)]) }
                lastFailure = reason
                await sleep(pause)
                pause = min(pause * 2, Self.longestPause)
            }
        }
    }

    /// Looks once, and does what is to be done. Blocks.
    private func look() -> Outcome {
        let collection = "/api/v1/namespaces/\(client.settings.namespace)/secrets"
        let path = "\(collection)/\(client.settings.secret)"
        do throws(KubernetesError) {
            let (status, body) = try client.ask("GET", path)
            guard status == 200 || status == 404 else { throw KubernetesClient.refusal(status, body) }
            let found = status == 200 ? JoinSecret(json: body) : nil
            guard status == 404 || found != nil else {
                throw .badAnswer(api: client.settings.api.authority, reason: "its answer is no Secret")
            }
            switch plan.step(found, atWall: WallClock.now()) {
            case .keep(let until): return .kept(until: until)
            case .refuse(let reason): return .failed(reason)
            case .create(let token):
                let body = JoinSecret.creation(name: client.settings.secret, token: token)
                return try judge(try client.ask("POST", collection, body: body), "created the join Secret")
            case .replace(let secret, let token):
                let answer = try client.ask(
                    "PATCH", path, body: secret.replacement(token: token), type: "application/merge-patch+json")
                return try judge(answer, "replaced the token in the join Secret")
            }
        } catch {
            return .failed("\(error)")
        }
    }

    private func judge(_ answer: (status: Int, body: [UInt8]), _ what: String) throws(KubernetesError) -> Outcome {
        switch answer.status {
        case 200, 201: return .changed(what)
        // Another server has created or changed it, or somebody has removed it: what is there now decides.
        case 404, 409: return .conflict
        default: throw KubernetesClient.refusal(answer.status, answer.body)
        }
    }

    private func sleep(_ milliseconds: Int64) async { try? await Task.sleep(for: .milliseconds(milliseconds)) }
}
