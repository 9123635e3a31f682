import CLinux
import Glibc

/// The registered descriptors of one thread, and the array that poll wants.
///
/// Slot 0 is the doorbell. A descriptor may be unregistered, closed and made again by another handler between poll's answer
/// and its dispatch; the registration's number tells that apart.
final class PollSet {
    struct Registration {
        var number: UInt64
        var events: PollEvents
        var handler: (PollEvents) -> Void
        /// Its place in the array; nil until the array is made anew.
        var slot: Int?
    }

    private let doorbell: Int32
    private var registrations: [Int32: Registration] = [:]
    private var lastNumber: UInt64 = 0
    private var slots: [pollfd] = []
    private var numbers: [UInt64] = []
    private var isStale = true

    init(doorbell: Int32) {
        self.doorbell = doorbell
    }

    var count: Int { registrations.count }

    func contains(_ descriptor: Int32) -> Bool { registrations[descriptor] != nil }

    func add(_ descriptor: Int32, events: PollEvents, handler: @escaping (PollEvents) -> Void) {
        precondition(registrations[descriptor] == nil, "descriptor \(descriptor) is registered already")
        lastNumber += 1
        registrations[descriptor] = Registration(number: lastNumber, events: events, handler: handler)
        isStale = true
    }

    func modify(_ descriptor: Int32, events: PollEvents) {
        guard let slot = registrations[descriptor]?.slot, !isStale else {
            registrations[descriptor]?.events = events
            return
        }
        registrations[descriptor]?.events = events
        slots[slot].events = events.rawValue
    }

    func remove(_ descriptor: Int32) {
        if registrations.removeValue(forKey: descriptor) != nil { isStale = true }
    }

    func removeAll() {
        registrations = [:]
        isStale = true
    }

    /// Waits `timeout` nanoseconds at most, or without end for nil. Returns what happened, in order of registration, and
    /// whether the doorbell rang.
    func wait(timeout: UInt64?) -> (doorbell: Bool, ready: [(descriptor: Int32, number: UInt64, events: PollEvents)]) {
        rebuildIfStale()
        let answered = slots.withUnsafeMutableBufferPointer { buffer in
            Self.poll(buffer, timeout: timeout)
        }
        guard answered > 0 else { return (false, []) }
        var ready: [(Int32, UInt64, PollEvents)] = []
        for slot in 1..<slots.count where slots[slot].revents != 0 {
            ready.append((slots[slot].fd, numbers[slot], PollEvents(rawValue: slots[slot].revents)))
        }
        return (slots[0].revents != 0, ready)
    }

    /// The handler of a registration, unless it has gone since.
    func handler(_ descriptor: Int32, number: UInt64) -> ((PollEvents) -> Void)? {
        guard let registration = registrations[descriptor], registration.number == number else { return nil }
        return registration.handler
    }

    private func rebuildIfStale() {
        guard isStale else { return }
        isStale = false
        slots = [pollfd(fd: doorbell, events: Int16(POLLIN), revents: 0)]
        numbers = [0]
        for (descriptor, registration) in registrations.sorted(by: { $0.value.number < $1.value.number }) {
            registrations[descriptor]?.slot = slots.count
            slots.append(pollfd(fd: descriptor, events: registration.events.rawValue, revents: 0))
            numbers.append(registration.number)
        }
    }

    private static func poll(_ buffer: UnsafeMutableBufferPointer<pollfd>, timeout: UInt64?) -> Int32 {
        mx_poll(buffer.baseAddress, buffer.count, timeout.map { Int64(clamping: $0) } ?? -1)
    }
}
