import Records

/// How many connections or requests came from each address, a second at a time.
struct AddressRate {
    struct Limits {
        let ofAddress: Int
        let ofAll: Int
    }

    private let limits: Limits
    private var counts: [String: Int] = [:]
    private var all = 0
    private var second: UInt64 = 0

    init(_ limits: Limits) { self.limits = limits }

    /// Counts one more; false when it is one too many. `now` is nanoseconds on the monotonic clock.
    mutating func allows(_ address: String, now: UInt64) -> Bool {
        if now / Duration64.second != second {
            second = now / Duration64.second
            counts.removeAll()
            all = 0
        }
        guard counts[address] != nil || counts.count < TransportLimits.countedAddresses else { return false }
        counts[address, default: 0] += 1
        guard counts[address, default: 0] <= limits.ofAddress else { return false }
        all += 1
        return all <= limits.ofAll
    }
}
