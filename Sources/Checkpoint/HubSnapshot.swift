/// A snapshot folder in a Hugging Face cache, `…/models--ORG--NAME/snapshots/REVISION`: links to `…/models--ORG--NAME/blobs`.
struct HubSnapshot {
    private static let prefix = "models--"

    let model: String
    let revision: String
    /// The folder that the snapshot's links lead to.
    let blobs: String

    /// Nil unless the real path `folder` looks like a snapshot.
    init?(folder: String) {
        let parts = Paths.components(folder)
        guard parts.count >= 3, parts[parts.count - 2] == "snapshots" else { return nil }
        let entry = parts[parts.count - 3]
        guard let model = Self.model(ofEntry: entry) else { return nil }
        self.model = model
        revision = parts[parts.count - 1]
        blobs = "/" + parts.dropLast(2).joined(separator: "/") + "/blobs"
    }

    /// Whether the real path `folder` is a whole cache entry: blobs and all snapshots together.
    static func isCacheEntry(_ folder: String) -> Bool {
        model(ofEntry: Paths.lastComponent(folder)) != nil && FileStatus.of(folder + "/snapshots")?.isFolder == true
    }

    /// The cache writes `/` as `--`, which a name on the hub can't contain.
    private static func model(ofEntry entry: String) -> String? {
        guard entry.hasPrefix(prefix), entry.count > prefix.count else { return nil }
        var result = ""
        var rest = entry.dropFirst(prefix.count)
        while let character = rest.first {
            let isSlash = rest.hasPrefix("--")
            result.append(isSlash ? "/" : character)
            rest = rest.dropFirst(isSlash ? 2 : 1)
        }
        return result
    }
}
