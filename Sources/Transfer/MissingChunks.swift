import Records

/// The chunks of a pull that nobody reads yet, kept by which of its partial sources have them, so that the rarest one that a
/// source has is found without looking at the others: pulls of 200,000 chunks choose in well under a microsecond each.
///
/// A partial source holds a place (one bit for each chunk); a whole source needs none, since it makes all chunks as frequent as
/// they are without it. Within equal rarity, chunks fall into turns, by which readers of one source keep out of each other's way.
struct MissingChunks: Sendable {
    /// Partial sources told apart. More are not read from at once (`FanInConfiguration.activeSourcesMaximum`).
    static let places = 8
    /// Kinds of chunks, by which readers of one source keep apart: divisible by most numbers of slots that a source may have.
    static let turnCount = 48
    private static let holdings = 1 << places
    /// Sets of places, those with few members first: the order of rarity.
    private static let byRarity = (0..<holdings).sorted { ($0.nonzeroBitCount, $0) < ($1.nonzeroBitCount, $1) }

    private(set) var count = 0
    /// Which places have a chunk, whether it is missing or not.
    private var holders: [UInt8]
    /// Where a missing chunk lies in its bucket; -1 for one that is read or there.
    private var positions: [Int32]
    private var buckets: [[Int32]]
    /// Missing chunks by the places that have them.
    private var counts = [Int](repeating: 0, count: holdings)
    /// Missing chunks that each place has.
    private var available = [Int](repeating: 0, count: places)
    private var freePlaces = (0..<places).reversed().map { $0 }

    init(chunkCount: Int, besides have: ChunkSet) {
        holders = [UInt8](repeating: 0, count: chunkCount)
        positions = [Int32](repeating: -1, count: chunkCount)
        buckets = [[Int32]](repeating: [], count: Self.holdings * Self.turnCount)
        for chunk in 0..<chunkCount where !have.contains(chunk) { insert(chunk) }
    }

    /// Turns have equally many chunks, give or take one, so that readers with equal shares are through with their own at once.
    private static func turn(of chunk: Int) -> Int { chunk % turnCount }

    /// The order of turns for the reader in a slot: first those of its own slot, then the others, mixed differently for each slot,
    /// since nobody may hold theirs.
    static func turns(ofSlot slot: Int, among slots: Int) -> [UInt8] {
        let slots = min(max(slots, 1), turnCount)
        let own = slot % slots
        var mixer = SeededGenerator(seed: UInt64(own))
        let others = (0..<turnCount).filter { $0 % slots != own }.shuffled(using: &mixer)
        return (Array(stride(from: own, to: turnCount, by: slots)) + others).map(UInt8.init)
    }

    private func bucket(of chunk: Int) -> Int { Int(holders[chunk]) * Self.turnCount + Self.turn(of: chunk) }

    func contains(_ chunk: Int) -> Bool { positions[chunk] >= 0 }

    // MARK: Chunks

    mutating func insert(_ chunk: Int) {
        guard positions[chunk] < 0 else { return }
        count += 1
        file(chunk)
        count(chunk, 1)
    }

    mutating func remove(_ chunk: Int) {
        guard positions[chunk] >= 0 else { return }
        count -= 1
        unfile(chunk)
        count(chunk, -1)
    }

    private mutating func file(_ chunk: Int) {
        let bucket = bucket(of: chunk)
        positions[chunk] = Int32(buckets[bucket].count)
        buckets[bucket].append(Int32(chunk))
        counts[Int(holders[chunk])] += 1
    }

    private mutating func unfile(_ chunk: Int) {
        let bucket = bucket(of: chunk)
        let position = Int(positions[chunk])
        let last = buckets[bucket].removeLast()
        if Int(last) != chunk {
            buckets[bucket][position] = last
            positions[Int(last)] = Int32(position)
        }
        positions[chunk] = -1
        counts[Int(holders[chunk])] -= 1
    }

    private mutating func count(_ chunk: Int, _ difference: Int) {
        var rest = holders[chunk]
        while rest != 0 {
            available[rest.trailingZeroBitCount] += difference
            rest &= rest - 1
        }
    }

    // MARK: Places

    /// A place for a partial source; nil when all are taken.
    mutating func takePlace(_ has: ChunkSet) -> Int? {
        guard let place = freePlaces.popLast() else { return nil }
        for chunk in 0..<holders.count where has.contains(chunk) { add(chunk, to: place) }
        return place
    }

    mutating func freePlace(_ place: Int) {
        for chunk in 0..<holders.count where holders[chunk] >> place & 1 == 1 { take(chunk, from: place) }
        freePlaces.append(place)
    }

    func has(_ chunk: Int, at place: Int) -> Bool { holders[chunk] >> place & 1 == 1 }

    /// The source at this place has the chunk (now). Chunks out of range are ignored.
    mutating func add(_ chunk: Int, to place: Int) {
        guard holders.indices.contains(chunk), !has(chunk, at: place) else { return }
        change(chunk, place, 1)
    }

    mutating func take(_ chunk: Int, from place: Int) {
        guard has(chunk, at: place) else { return }
        change(chunk, place, -1)
    }

    private mutating func change(_ chunk: Int, _ place: Int, _ difference: Int) {
        let isMissing = positions[chunk] >= 0
        if isMissing {
            unfile(chunk)
            available[place] += difference
        }
        holders[chunk] ^= 1 << place
        if isMissing { file(chunk) }
    }

    // MARK: Choice

    /// Missing chunks that a source has; nil stands for a whole source.
    func count(at place: Int?) -> Int { place.map { available[$0] } ?? count }

    /// The rarest missing chunk that a source has, of the first of `turns` that has such a one, else at random.
    func rarest(at place: Int?, turns: [UInt8], using generator: inout SeededGenerator) -> Int? {
        guard count(at: place) > 0 else { return nil }
        let mask = place.map { 1 << $0 } ?? 0
        var level = -1
        var found = 0
        for holding in Self.byRarity where counts[holding] > 0 && holding & mask == mask {
            if level >= 0, holding.nonzeroBitCount > level { break }
            level = holding.nonzeroBitCount
            found += counts[holding]
        }
        guard level >= 0 else { return nil }
        var number = Int(generator.next() % UInt64(found))
        for holding in Self.byRarity
        where holding.nonzeroBitCount == level && counts[holding] > 0 && holding & mask == mask {
            guard number >= counts[holding] else { return chunk(of: holding, turns, number) }
            number -= counts[holding]
        }
        return nil
    }

    private func chunk(of holding: Int, _ turns: [UInt8], _ number: Int) -> Int? {
        for turn in turns {
            let bucket = holding * Self.turnCount + Int(turn)
            let count = buckets[bucket].count
            if count > 0 { return Int(buckets[bucket][number % count]) }
        }
        return nil
    }
}
