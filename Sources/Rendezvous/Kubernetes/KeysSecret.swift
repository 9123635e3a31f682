import Configuration
import FoundationEssentials
import Glibc
import Telemetry
import Trust

/// The cluster's root key in a Secret (`MX_KEYS_SECRET`): a server whose state folder has none takes it from there, and the first
/// server of a cluster makes it. Whoever may read that Secret is the cluster's owner.
struct KeysSecret: Sendable {
    /// Under which the root key lies, as in the state folder.
    private static let key = "root.key"
    /// How often it is tried while the API can't be reached, or another server is quicker, and the pause between, seconds.
    private static let attempts = 15
    private static let pause: UInt32 = 1

    let client: KubernetesClient
    let name: String
    let state: StateDirectory

    /// Sees to it that the state folder has a root key. Blocks, for half a minute at most.
    func obtain() throws {
        guard access(state.rootKey, F_OK) != 0 else { return }
        var lastError: any Error = KubernetesError.silent(api: client.settings.api.authority)
        for attempt in 0..<Self.attempts {
            if attempt > 0 { sleep(Self.pause) }
            do {
                if try look() { return }
            } catch let error as KubernetesError {
                // What is refused now is refused in a second as well.
                if case .refused = error { throw error }
                lastError = error
            }
        }
        throw lastError
    }

    /// False when another server was quicker: what it made is there by now.
    private func look() throws -> Bool {
        let collection = "/api/v1/namespaces/\(client.settings.namespace)/secrets"
        let (status, body) = try client.ask("GET", "\(collection)/\(name)")
        switch status {
        case 200:
            try take(body)
            return true
        case 404:
            let anchor = try ClusterKeyFiles.create(in: state)
            let text = try SecretFile.read(state.rootKey, isPrivate: true)
            let answer = try client.ask(
                "POST", collection, body: JoinSecret.creation(name: name, data: [Self.key: text]))
            guard answer.status == 201 || answer.status == 200 else {
                // A key that nobody else will ever have is none.
                unlink(state.rootKey)
                unlink(state.rootPublicKey)
                if answer.status == 409 { return false }
                throw KubernetesClient.refusal(answer.status, answer.body)
            }
            Log(component: "server").info(
                "made the cluster's keys", [("secret", name), ("cluster", "\(anchor.cluster)")])
            return true
        default: throw KubernetesClient.refusal(status, body)
        }
    }

    private func take(_ body: [UInt8]) throws {
        struct Answer: Decodable { var data: [String: String]? }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(body)),
            let key = answer.data?[Self.key].flatMap({ Data(base64Encoded: $0) })
        else {
            throw RendezvousError(
                "Secret \(name) has no \"\(Self.key)\"; create it from `modelexpress keys init`, or remove it")
        }
        try SecretFile.write(String(decoding: key, as: UTF8.self), to: state.rootKey, isNew: true)
    }
}
