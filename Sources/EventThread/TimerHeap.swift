/// Names one timer of one `EventThread`; never used again.
package struct TimerID: Hashable, Sendable {
    let number: UInt64
}

/// Timers by deadline, and in order of scheduling when deadlines are equal.
struct TimerHeap {
    private struct Entry {
        var deadline: UInt64
        var id: TimerID

        func isBefore(_ other: Entry) -> Bool {
            (deadline, id.number) < (other.deadline, other.id.number)
        }
    }

    /// Cancelled timers stay in the heap until they come up, or until they outnumber the others by this.
    private static let cancelledAllowance = 64

    private var heap: [Entry] = []
    private var work: [TimerID: () -> Void] = [:]
    private var lastNumber: UInt64 = 0

    /// How many timers will fire.
    var count: Int { work.count }

    mutating func insert(deadline: UInt64, work: @escaping () -> Void) -> TimerID {
        lastNumber += 1
        let id = TimerID(number: lastNumber)
        self.work[id] = work
        heap.append(Entry(deadline: deadline, id: id))
        siftUp(heap.count - 1)
        return id
    }

    /// False when it has fired or was cancelled before.
    mutating func cancel(_ id: TimerID) -> Bool {
        guard work.removeValue(forKey: id) != nil else { return false }
        if heap.count > 2 * work.count + Self.cancelledAllowance { removeCancelled() }
        return true
    }

    /// The next deadline.
    mutating func nextDeadline() -> UInt64? {
        while let first = heap.first {
            if work[first.id] != nil { return first.deadline }
            removeFirst()
        }
        return nil
    }

    /// The timers whose deadline has come, each to be fired by `take`.
    mutating func popDue(now: UInt64) -> [TimerID] {
        var due: [TimerID] = []
        while let deadline = nextDeadline(), deadline <= now {
            due.append(heap[0].id)
            removeFirst()
        }
        return due
    }

    /// The work of a due timer, unless it was cancelled meanwhile.
    mutating func take(_ id: TimerID) -> (() -> Void)? { work.removeValue(forKey: id) }

    mutating func removeAll() {
        heap = []
        work = [:]
    }

    private mutating func removeCancelled() {
        heap.removeAll { work[$0.id] == nil }
        // An array in order is a heap.
        heap.sort { $0.isBefore($1) }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        if !heap.isEmpty { siftDown(0) }
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
