/// Numbers by 64-bit keys: open addressing, for the looks that every message of a run needs. Nothing is taken out again.
struct WordTable {
    private static let empty: Int32 = -1

    private var keys: [UInt64]
    private var values: [Int32]
    private var shift: UInt64
    private(set) var count = 0

    /// `capacity` is a power of two.
    init(capacity: Int = 16) {
        keys = [UInt64](repeating: 0, count: capacity)
        values = [Int32](repeating: Self.empty, count: capacity)
        shift = UInt64(64 - capacity.trailingZeroBitCount)
    }

    func value(of key: UInt64) -> Int? {
        let slot = slot(of: key)
        return values[slot] == Self.empty ? nil : Int(values[slot])
    }

    /// `value` is not negative and fits 31 bits; the key must not be there yet.
    mutating func insert(_ key: UInt64, _ value: Int) {
        if (count + 1) * 2 > keys.count { grow() }
        let slot = slot(of: key)
        keys[slot] = key
        values[slot] = Int32(value)
        count += 1
    }

    /// Where the key is, or would be.
    private func slot(of key: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) &>> shift)
        while values[slot] != Self.empty, keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
        return slot
    }

    private mutating func grow() {
        var larger = WordTable(capacity: keys.count * 2)
        for slot in keys.indices where values[slot] != Self.empty { larger.insert(keys[slot], Int(values[slot])) }
        self = larger
    }
}

/// A peer's links by the index of the other process, in the order in which they came to be.
struct LinkTable {
    private var positions = WordTable()
    private(set) var others: [Int] = []
    private var links: [Link] = []

    /// A link that there is none of yet is an unused one; it is kept once it is changed.
    subscript(other: Int) -> Link {
        get { positions.value(of: UInt64(other)).map { links[$0] } ?? Link() }
        _modify {
            let position: Int
            if let known = positions.value(of: UInt64(other)) {
                position = known
            } else {
                position = links.count
                positions.insert(UInt64(other), position)
                others.append(other)
                links.append(Link())
            }
            yield &links[position]
        }
    }
}
