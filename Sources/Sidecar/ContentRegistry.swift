import DataPlane
import Records
import Telemetry
import Transfer

/// The content that this sidecar can hand out, by manifest. Any thread.
final class ContentRegistry: Sendable {
    struct Content: Sendable {
        let storages: any StorageContent
        let availability: ChunkAvailability
    }

    private let contents = Guarded<[ManifestID: Content]>([:])

    subscript(_ manifest: ManifestID) -> Content? { contents.withLock { $0[manifest] } }

    func insert(_ content: Content, for manifest: ManifestID) { contents.withLock { $0[manifest] = content } }

    func remove(_ manifest: ManifestID) { contents.withLock { $0[manifest] = nil } }

    /// Removes what a failed pull left in part; content that is whole is served on.
    func removeUnlessWhole(_ manifest: ManifestID) {
        contents.withLock { contents in
            if contents[manifest]?.availability.snapshot.isFull == false { contents[manifest] = nil }
        }
    }
}
