/// Bootstrap ports of peers that were neighbours not long ago, one `host:port` a line: a start while the server is down finds
/// the mesh through them. Nothing in it is believed: each peer shows its chain when it is asked.
package struct PeerCache: Sendable {
    /// Addresses kept; more would make a start ask too many that are gone.
    package static let capacity = 16

    private let path: String

    package init(path: String) { self.path = path }

    /// What was saved last; nothing when there is no file or it isn't one of ours.
    package func load() -> [String] {
        guard let text = try? SecretFile.read(path, isPrivate: false) else { return [] }
        let addresses = text.split(separator: "\n").map(String.init).filter { HostPort($0) != nil }
        return Array(addresses.prefix(Self.capacity))
    }

    /// Saves best effort: a cache that can't be written costs one way to find the mesh, no more.
    package func save(_ addresses: [String]) {
        let text = addresses.prefix(Self.capacity).map { $0 + "\n" }.joined()
        try? SecretFile.write(text, to: path)
    }
}
