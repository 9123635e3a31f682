package import Configuration
package import DataPlane
import Records
import Transfer

/// Everything that a sidecar is told at its start.
package struct SidecarSettings: Sendable {
    package var peer: PeerSettings
    /// What it calls itself in answers: `modelexpress-sidecar` or `modelexpress`.
    package var program: String
    /// Remember neighbours for the next start: for daemons, whose peers are still there when they are back.
    package var remembersPeers = false
    /// Check only the CRC-32C of chunks (`MX_INTEGRITY=crc`): for a fabric where nobody means harm.
    package var usesCRCAlone = false
    /// Without progress for this long a pull fails, nanoseconds (`MX_TRANSFER_STALL`).
    package var stall = FanInConfiguration().stall
    /// How long readers may finish when this process, or the engine beside it, ends; nanoseconds (`MX_DRAIN_LIMIT`).
    package var drainLimit = 90 * Duration64.second
    /// The workers of this pod's engine; nil: there is none.
    package var engines: EngineSettings?

    /// `MX_RDMA_...`
    package var rdma = VerbsSettings()
    /// `UCX_...`
    package var ucx = UCXSettings([:])

    package init(peer: PeerSettings, program: String) {
        self.peer = peer
        self.program = program
    }

    /// Takes integrity and stall from flags, else the environment.
    package mutating func resolve(
        integrity: String?, environment: Environment
    ) throws(ConfigurationError) {
        switch integrity ?? environment["MX_INTEGRITY"] ?? "full" {
        case "full": usesCRCAlone = false
        case "crc": usesCRCAlone = true
        case let other:
            throw .invalid(setting: "--integrity (MX_INTEGRITY)", value: other, expected: "full or crc")
        }
        engines = try EngineSettings.resolve(environment)
        if let text = environment["MX_DRAIN_LIMIT"] {
            guard let milliseconds = Quantities.milliseconds(text), milliseconds >= 0 else {
                throw .invalid(setting: "MX_DRAIN_LIMIT", value: text, expected: "a duration like 90s, or 0")
            }
            drainLimit = UInt64(milliseconds) * Duration64.millisecond
        }
        if let text = environment["MX_TRANSFER_STALL"] {
            guard let milliseconds = Quantities.milliseconds(text), milliseconds > 0 else {
                throw .invalid(setting: "MX_TRANSFER_STALL", value: text, expected: "a duration like 30s")
            }
            stall = UInt64(milliseconds) * 1_000_000
        }
        rdma = try VerbsSettings(environment)
        ucx = UCXSettings(environment.variables(beginning: "UCX_"))
    }

    var integrityWord: String { usesCRCAlone ? "crc" : "full" }
}
