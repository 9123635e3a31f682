import Digest
import Records

/// What a `ShelvedTable` keeps by a digest of its own.
protocol Shelved: Sendable {
    var shelfKey: Digest256 { get }
}

/// Values by their digests, on 256 shelves by the digest's first byte, each in order.
///
/// A look is a short search, and who changes a copy of the table copies one shelf: so the simulator's thousands of peers share what
/// they hold alike.
struct ShelvedTable<Value: Shelved>: Sendable {
    private struct Entry: Sendable {
        /// The first word of the digest, which nearly always tells the digests of one shelf apart.
        let word: UInt64
        let value: Value
    }

    private var shelves = [[Entry]](repeating: [], count: 256)
    private(set) var count = 0

    static func shelf(of digest: Digest256) -> Int { Int(truncatingIfNeeded: digest.leadingWord >> 56) }

    subscript(digest: Digest256) -> Value? {
        let shelf = shelves[Self.shelf(of: digest)]
        let (index, isThere) = Self.position(of: digest, in: shelf)
        return isThere ? shelf[index].value : nil
    }

    /// Takes the value in place of the one that there is by the same digest.
    mutating func put(_ value: Value) {
        let digest = value.shelfKey
        let number = Self.shelf(of: digest)
        let entry = Entry(word: digest.leadingWord, value: value)
        let (index, isThere) = Self.position(of: digest, in: shelves[number])
        if isThere {
            shelves[number][index] = entry
        } else {
            shelves[number].insert(entry, at: index)
            count += 1
        }
    }

    @discardableResult
    mutating func remove(_ digest: Digest256) -> Value? {
        let number = Self.shelf(of: digest)
        let (index, isThere) = Self.position(of: digest, in: shelves[number])
        guard isThere else { return nil }
        count -= 1
        return shelves[number].remove(at: index).value
    }

    /// In order of digests.
    var values: [Value] { shelves.flatMap { $0.map(\.value) } }

    /// Of one shelf, in order of digests.
    func values(onShelf number: Int) -> [Value] { shelves[number].map(\.value) }

    func count(onShelf number: Int) -> Int { shelves[number].count }

    /// Visits all in order of digests.
    func visit(_ body: (Value) -> Void) {
        for shelf in shelves { for entry in shelf { body(entry.value) } }
    }

    /// Where the digest's entry stands, or would.
    private static func position(of digest: Digest256, in shelf: [Entry]) -> (index: Int, isThere: Bool) {
        let word = digest.leadingWord
        var (low, high) = (0, shelf.count)
        while low < high {
            let middle = (low + high) / 2
            if shelf[middle].word < word { low = middle + 1 } else { high = middle }
        }
        while low < shelf.count, shelf[low].word == word {
            let other = shelf[low].value.shelfKey
            guard other < digest else { return (low, other == digest) }
            low += 1
        }
        return (low, false)
    }
}

/// What is held of all peers, by their keys.
typealias PeerTable = ShelvedTable<PeerHoldings>

extension PeerHoldings: Shelved {
    var shelfKey: Digest256 { id.digest }
}

extension PeerTable {
    subscript(peer: PeerID) -> PeerHoldings? { self[peer.digest] }

    var keys: [PeerID] { values.map(\.id) }

    mutating func remove(_ peer: PeerID) -> PeerHoldings? { remove(peer.digest) }
}

/// All records that are held, by their ids; a shelf is a bucket of the digest exchange.
typealias RecordTable = ShelvedTable<OpenedFrame>

extension OpenedFrame: Shelved {
    var shelfKey: Digest256 { record.digest }
}

extension RecordTable {
    static func bucket(of id: RecordID) -> Int { shelf(of: id.digest) }

    subscript(id: RecordID) -> OpenedFrame? { self[id.digest] }

    mutating func remove(_ id: RecordID) { remove(id.digest) }

    func count(inBucket bucket: Int) -> Int { count(onShelf: bucket) }

    /// What is in one bucket, ascending by id.
    func stamps(inBucket bucket: Int) -> [RecordStamp] {
        values(onShelf: bucket).map { RecordStamp(record: $0.record, version: $0.version) }
    }
}
