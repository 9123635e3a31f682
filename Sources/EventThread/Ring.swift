/// A first-in, first-out queue with a bound, which grows only as far as it is used.
struct Ring<Element> {
    let capacity: Int
    private(set) var count = 0
    private var slots: [Element?] = []
    private var head = 0

    init(capacity: Int) {
        precondition(capacity > 0, "a queue needs room for something")
        self.capacity = capacity
    }

    var isEmpty: Bool { count == 0 }

    /// False when full.
    mutating func append(_ element: Element) -> Bool {
        guard count < capacity else { return false }
        if count == slots.count { grow() }
        slots[(head + count) % slots.count] = element
        count += 1
        return true
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[head].take()
        head = (head + 1) % slots.count
        count -= 1
        return element
    }

    /// The oldest elements, `maximum` at most.
    mutating func popFirst(_ maximum: Int) -> [Element] {
        var taken: [Element] = []
        taken.reserveCapacity(min(maximum, count))
        while taken.count < maximum, let element = popFirst() { taken.append(element) }
        return taken
    }

    private mutating func grow() {
        let ordered = (0..<count).map { slots[(head + $0) % slots.count] }
        let size = min(capacity, max(16, slots.count * 2))
        slots = ordered + [Element?](repeating: nil, count: size - count)
        head = 0
    }
}
