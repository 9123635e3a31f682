import Records
import Simulation
import Testing
import Transfer

/// What the scheduler makes of links, on virtual time: each figure is how long a transfer took, over how long it would take if no
/// byte were sent twice and no link ever idle.
@Suite("Sources and targets on links of their own")
struct SwarmTests {
    private static let megabyte = 1e6

    private func size(_ swarm: Swarm) -> Double { Double(swarm.layout.totalBytes) }

    /// One target that could take more than all its sources give.
    private func fanIn(_ rates: [Double], chunks: Int, prepare: (inout Swarm) -> Void = { _ in }) throws -> Swarm {
        let sources = rates.map {
            SwarmHostPlan(up: $0 * Self.megabyte, down: $0 * Self.megabyte, isOrigin: true)
        }
        var settings = SwarmSettings()
        settings.chunks = chunks
        var swarm = try Swarm(sources + [SwarmHostPlan(up: 1e9, down: 1e9)], settings)
        prepare(&swarm)
        swarm.run()
        #expect(swarm.violations.isEmpty && swarm.isDone)
        return swarm
    }

    /// The sum of the rates over what was reached.
    private func overIdeal(_ rates: [Double], chunks: Int) throws -> Double {
        let swarm = try fanIn(rates, chunks: chunks)
        return try #require(swarm.completions.first) * rates.reduce(0, +) * Self.megabyte / size(swarm)
    }

    @Test("Four equal sources give at least 0.97 of the sum of their rates", arguments: [64, 256])
    func equal(chunks: Int) throws {
        #expect(try overIdeal([12.5, 12.5, 12.5, 12.5], chunks: chunks) < 1.01)
    }

    @Test("Sources with rates 1, 1, 0.5 and 0.1 take at most 1.02 of what is ideal", arguments: [64, 256])
    func skewed(chunks: Int) throws {
        #expect(try overIdeal([20, 20, 10, 2], chunks: chunks) < 1.02)
    }

    /// Milliseconds over what three sources need for what the fourth does not bring.
    private func lost(chunks: Int, rate: Double, at part: Double, by trouble: (inout Swarm, UInt64) -> Void) throws
        -> Double
    {
        let bytes = Double(chunks) * 4_194_304
        let moment = part * bytes / (4 * rate * Self.megabyte)
        let swarm = try fanIn([rate, rate, rate, rate], chunks: chunks) { trouble(&$0, UInt64(moment * 1e9)) }
        let ideal = moment + bytes * (1 - part) / (3 * rate * Self.megabyte)
        return (try #require(swarm.completions.first) - ideal) * 1_000
    }

    @Test("A source that is killed half-way costs at most 0.03 of the transfer beyond its bandwidth")
    func killed() throws {
        let milliseconds = try lost(chunks: 256, rate: 12.5, at: 0.5) { $0.kill(0, at: $1) }
        #expect(milliseconds < 0.01 * 25_000)
    }

    @Test("A source that is stopped half-way costs at most 100 ms beyond its bandwidth")
    func stopped() throws {
        #expect(try lost(chunks: 512, rate: 200, at: 0.5) { $0.freeze(0, at: $1) } < 100)
    }

    @Test("A source that is stopped near the end costs less than reading one chunk takes")
    func stoppedLate() throws {
        #expect(try lost(chunks: 256, rate: 50, at: 0.95) { $0.freeze(0, at: $1) } < 150)
    }

    /// Sources and targets with links of equal rate both ways.
    private func crowd(origins: Int, targets: Int, settings: SwarmSettings) throws -> Swarm {
        let rate = 100 * Self.megabyte
        let origin = SwarmHostPlan(up: rate, down: rate, isOrigin: true)
        let target = SwarmHostPlan(up: rate, down: rate)
        var swarm = try Swarm(
            [SwarmHostPlan](repeating: origin, count: origins) + [SwarmHostPlan](repeating: target, count: targets),
            settings)
        swarm.run()
        #expect(swarm.violations.isEmpty && swarm.completions.count == targets)
        return swarm
    }

    @Test(
        "Eight targets of one source are done in little more than the time of one, and so it sends little more than one copy"
    )
    func flashCrowd() throws {
        var settings = SwarmSettings()
        settings.chunks = 512
        let swarm = try crowd(origins: 1, targets: 8, settings: settings)
        let alone = size(swarm) / (100 * Self.megabyte)
        #expect(try #require(swarm.completions.max()) < 1.10 * alone)
        #expect(swarm.network.carried[swarm.hosts[0].up] < 1.10 * size(swarm))
    }

    @Test("Sixteen sources and 32 targets: all complete within 20 % of each other")
    func fairness() throws {
        var settings = SwarmSettings()
        settings.chunks = 96
        let swarm = try crowd(origins: 16, targets: 32, settings: settings)
        let (first, last) = (try #require(swarm.completions.min()), try #require(swarm.completions.max()))
        #expect(last < 1.2 * first)
    }
}
