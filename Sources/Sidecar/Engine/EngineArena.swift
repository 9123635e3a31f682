import Arena
import Checkpoint
import EngineBridge
import Records
import Telemetry

/// The memory of a worker's weights, as the destination of a pull: only content that fits exactly goes there.
package final class EngineArena: Sendable, Hashable {
    let description: EngineDescription
    let memory: MemoryArena
    private let accepted = Guarded<(manifest: Manifest, id: ManifestID)?>(nil)

    init(_ description: EngineDescription, _ memory: MemoryArena) {
        self.description = description
        self.memory = memory
    }

    /// What was pulled into it.
    var content: (manifest: Manifest, id: ManifestID)? { accepted.withLock { $0 } }

    func destination(for manifest: Manifest, _ id: ManifestID) throws(CheckpointError) -> MemoryDestination {
        let differences = description.differences(from: manifest)
        guard differences.isEmpty else { throw .otherTensors(differences) }
        accepted.withLock { $0 = (manifest, id) }
        return MemoryDestination(memory)
    }

    package static func == (left: EngineArena, right: EngineArena) -> Bool { left === right }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
