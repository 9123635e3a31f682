import Digest

/// Digests of frames that were verified not long ago, so that a frame that comes by many edges is verified once. Two
/// generations: when the young one is full it becomes the old one, and the old one is forgotten.
struct SeenFrames: Sendable {
    private let capacity: Int
    private var young: Set<Digest256> = []
    private var old: Set<Digest256> = []

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { young.count + old.count }

    func contains(_ digest: Digest256) -> Bool { young.contains(digest) || old.contains(digest) }

    mutating func insert(_ digest: Digest256) {
        if young.count >= capacity / 2 {
            old = young
            young.removeAll(keepingCapacity: true)
        }
        young.insert(digest)
    }
}
