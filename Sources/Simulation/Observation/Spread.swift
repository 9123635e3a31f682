import Records

/// The way of one announcement through the mesh.
struct Spread {
    let label: String
    let origin: Int
    let record: RecordID
    /// Known once its origin has signed it.
    private(set) var version: Version?
    private(set) var frame: [UInt8] = []
    private var start: UInt64 = 0
    /// After how many nanoseconds each process held it; by index, `max` while it doesn't.
    private var heldAfter: [UInt64] = []
    /// Times that it was sent and received over gossip.
    var sends = 0
    var copies = 0

    init(label: String, origin: Int, record: RecordID) {
        self.label = label
        self.origin = origin
        self.record = record
    }

    mutating func signed(_ version: Version, frame: [UInt8], at time: UInt64, processes: Int) {
        guard self.version == nil else { return }
        self.version = version
        self.frame = frame
        start = time
        heldAfter = [UInt64](repeating: .max, count: processes)
        heldAfter[origin] = 0
    }

    mutating func held(by process: Int, at time: UInt64) {
        guard process < heldAfter.count, heldAfter[process] == .max else { return }
        heldAfter[process] = time - start
    }

    private func holdingTimes(_ isAlive: (Int) -> Bool) -> [UInt64] {
        heldAfter.indices.filter(isAlive).map { heldAfter[$0] }.sorted()
    }

    /// What was reported of it: times by which shares of those held it who lived all the while.
    func metrics(isAlive: (Int) -> Bool) -> [(MetricName, Double?)] {
        let names = MetricName.spread(label)
        let times = holdingTimes(isAlive)
        guard !times.isEmpty else { return names.map { ($0, nil) } }
        let reached = times.count { $0 != .max }
        let quantiles = [50, 90, 99, 100].map { percent -> Double? in
            let time = times[max((times.count * percent + 99) / 100, 1) - 1]
            return time == .max ? nil : Double(time) / Double(Duration64.millisecond)
        }
        let count = Double(times.count)
        let rest = [Double(reached) / count * 100, Double(sends) / count, Double(copies) / count]
        return Array(zip(names, quantiles + rest))
    }
}

extension Spread {
    /// How it spread among those who lived all the while.
    func curve(isAlive: (Int) -> Bool) -> ReportCurve {
        let times = holdingTimes(isAlive).filter { $0 != .max }.map { Double($0) / Double(Duration64.millisecond) }
        return ReportCurve(name: label, times: times, total: holdingTimes(isAlive).count, unit: "milliseconds")
    }
}

extension Simulation {
    func noteSend(_ frame: [UInt8]) {
        for index in spreads.indices where spreads[index].frame == frame { spreads[index].sends += 1 }
    }

    func noteCopy(_ frame: [UInt8], at peer: SimulatedPeer) {
        for index in spreads.indices where spreads[index].frame == frame { spreads[index].copies += 1 }
    }
}
