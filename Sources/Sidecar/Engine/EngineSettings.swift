import Configuration
package import EngineBridge
import PeerLogic
import Records

/// Where the workers of this pod's engine are, and what they may do while nobody has their weights.
package struct EngineSettings: Sendable {
    package var sockets: EngineSockets
    /// How many peers of the mesh load the same weights from disk at once (`MX_COLD_LOADERS`).
    package var coldLoaders = 2
    /// How long to wait for those, nanoseconds (`MX_WAIT_FOR_SOURCE`).
    package var waitForSource = 600 * Duration64.second

    private static let mostLoaders = 64

    /// From the environment that sidecar and engine share; nil when no `MX_ZMQ_ADDRESS` is set.
    static func resolve(_ environment: Environment) throws(ConfigurationError) -> EngineSettings? {
        guard let address = environment["MX_ZMQ_ADDRESS"], !address.isEmpty else { return nil }
        guard let sockets = EngineSockets(address: address) else {
            throw .invalid(
                setting: "MX_ZMQ_ADDRESS", value: address, expected: "an address like ipc:///tmp/mx/vllm.sock")
        }
        var settings = EngineSettings(sockets: sockets)
        if let text = environment["MX_COLD_LOADERS"] {
            guard let count = Int(text), (1...mostLoaders).contains(count) else {
                throw .invalid(setting: "MX_COLD_LOADERS", value: text, expected: "a number from 1 to \(mostLoaders)")
            }
            settings.coldLoaders = count
        }
        if let text = environment["MX_WAIT_FOR_SOURCE"] {
            guard let milliseconds = Quantities.milliseconds(text), milliseconds >= 0 else {
                throw .invalid(setting: "MX_WAIT_FOR_SOURCE", value: text, expected: "a duration like 600s, or 0")
            }
            settings.waitForSource = UInt64(milliseconds) * Duration64.millisecond
        }
        return settings
    }
}
