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

    /// Content that is served whole already stays; a pull beside it is then only a copy.
    func insertIfAbsent(_ content: Content, for manifest: ManifestID) {
        contents.withLock { contents in
            if contents[manifest] == nil { contents[manifest] = content }
        }
    }

    func remove(_ manifest: ManifestID) { contents.withLock { $0[manifest] = nil } }

    /// Removes the content of one destination, and not what another serves under the same manifest.
    func remove(_ manifest: ManifestID, of availability: ChunkAvailability) {
        contents.withLock { contents in
            if contents[manifest]?.availability === availability { contents[manifest] = nil }
        }
    }
}
