/// How fast bytes come now: over the last few seconds, not since the start.
struct SpeedMeter {
    /// Nanoseconds that are looked back.
    static let window: UInt64 = 5_000_000_000
    /// Samples kept; more are merged into the newest.
    static let maximumSamples = 64

    private var samples: [(time: UInt64, bytes: UInt64)] = []

    /// - Parameter bytes: all so far. Fewer than before begins anew.
    mutating func add(bytes: UInt64, at time: UInt64) {
        if let last = samples.last, bytes < last.bytes || time < last.time { samples = [] }
        if samples.count > 1, let last = samples.last, time - last.time < Self.window / UInt64(Self.maximumSamples) {
            samples.removeLast()
        }
        samples.append((time, bytes))
        while samples.count > 2, time - samples[1].time >= Self.window { samples.removeFirst() }
    }

    /// Bytes a second; nil while there is nothing to tell from.
    var bytesPerSecond: Double? {
        guard let first = samples.first, let last = samples.last, last.time > first.time else { return nil }
        return Double(last.bytes - first.bytes) / (Double(last.time - first.time) / 1e9)
    }
}
