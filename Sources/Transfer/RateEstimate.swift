import Records

/// What a source brings, measured over the time in which something was asked of it: bytes by busy time, where old ones count less.
/// Measured so, neither the depth of a queue nor pauses between reads change it.
struct RateEstimate: Sendable {
    private var bytes = 0.0
    private var seconds = 0.0
    /// Busy seconds after which what was measured before counts half.
    private let memory: Double

    init(memory: UInt64) { self.memory = Double(memory) / Double(Duration64.second) }

    /// Bytes a second; 0 before anything was measured.
    var perSecond: Double { bytes > 0 && seconds > 0 ? bytes / seconds : 0 }

    mutating func note(bytes more: Int, nanoseconds: UInt64) {
        let passed = Double(nanoseconds) / Double(Duration64.second)
        let decay = memory / (memory + passed)
        bytes = bytes * decay + Double(more)
        seconds = seconds * decay + passed
    }
}
