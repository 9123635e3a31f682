/// What happens next: by time, and at one time in the order in which it was scheduled.
///
/// A heap with four children to a node. Its entries are small and without references; what happens lies beside it.
struct EventQueue<Payload> {
    private struct Entry {
        let time: UInt64
        let number: UInt64
        let slot: Int

        func precedes(_ other: Entry) -> Bool {
            time != other.time ? time < other.time : number < other.number
        }
    }

    private static var children: Int { 4 }

    private var heap: [Entry] = []
    private var payloads: [Payload?] = []
    private var freeSlots: [Int] = []
    private var scheduled: UInt64 = 0

    var count: Int { heap.count }

    /// When the next one happens, nanoseconds; nil when nothing is scheduled.
    var nextTime: UInt64? { heap.first?.time }

    mutating func insert(_ payload: Payload, at time: UInt64) {
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            payloads[slot] = payload
        } else {
            slot = payloads.count
            payloads.append(payload)
        }
        scheduled += 1
        let entry = Entry(time: time, number: scheduled, slot: slot)
        heap.append(entry)
        rise(entry, from: heap.count - 1)
    }

    mutating func removeFirst() -> Payload? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty { sink(last, from: 0) }
        freeSlots.append(first.slot)
        return payloads[first.slot].take()
    }

    private mutating func rise(_ entry: Entry, from start: Int) {
        var hole = start
        while hole > 0 {
            let parent = (hole - 1) / Self.children
            guard entry.precedes(heap[parent]) else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = entry
    }

    private mutating func sink(_ entry: Entry, from start: Int) {
        var hole = start
        while true {
            let first = hole * Self.children + 1
            guard first < heap.count else { break }
            var least = first
            for child in (first + 1)..<max(first + 1, min(first + Self.children, heap.count))
            where heap[child].precedes(heap[least]) {
                least = child
            }
            guard heap[least].precedes(entry) else { break }
            heap[hole] = heap[least]
            hole = least
        }
        heap[hole] = entry
    }
}
