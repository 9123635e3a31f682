package import Configuration
import DataPlane
import Transfer

/// Everything that a sidecar is told at its start.
package struct SidecarSettings: Sendable {
    package var peer: PeerSettings
    /// What it calls itself in answers: `modelexpress-sidecar` or `modelexpress`.
    package var program: String
    /// Remember neighbours for the next start: for daemons, whose peers are still there when they are back.
    package var remembersPeers = false
    /// Check only the CRC-32C of chunks (`MX_INTEGRITY=crc`): for a fabric where nobody means harm.
    package var trustsFabric = false
    /// Without progress for this long a pull fails, nanoseconds (`MX_TRANSFER_STALL`).
    package var stall = FanInConfiguration().stall

    package init(peer: PeerSettings, program: String) {
        self.peer = peer
        self.program = program
    }

    /// Takes integrity and stall from flags, else the environment.
    package mutating func resolve(
        integrity: String?, environment: Environment
    ) throws(ConfigurationError) {
        switch integrity ?? environment["MX_INTEGRITY"] ?? "full" {
        case "full": trustsFabric = false
        case "crc": trustsFabric = true
        case let other:
            throw .invalid(setting: "--integrity (MX_INTEGRITY)", value: other, expected: "full or crc")
        }
        if let text = environment["MX_TRANSFER_STALL"] {
            guard let milliseconds = Quantities.milliseconds(text), milliseconds > 0 else {
                throw .invalid(setting: "MX_TRANSFER_STALL", value: text, expected: "a duration like 30s")
            }
            stall = UInt64(milliseconds) * 1_000_000
        }
    }

    var integrityWord: String { trustsFabric ? "crc" : "full" }
}
