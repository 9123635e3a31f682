import Mesh
import Records
import Testing

@testable import Rendezvous

@Suite("What changes of the mesh come to over time")
struct MeshWatchTests {
    private var watch = MeshWatch()

    @Test("A speed is what came between two beacons, by the time of their signing")
    mutating func speed() throws {
        watch.take(MeshSamples.renewed("a", MeshSamples.beacon(issuedAt: 1000, served: 5, received: 1000)), atWall: 0)
        #expect(try #require(watch.speed(of: MeshSamples.peer("a"))) == (0, 0))
        watch.take(MeshSamples.renewed("a", MeshSamples.beacon(issuedAt: 3000, served: 5, received: 9000)), atWall: 0)
        #expect(try #require(watch.speed(of: MeshSamples.peer("a"))) == (0, 4000))
        watch.take(MeshSamples.renewed("a", MeshSamples.beacon(issuedAt: 4000, served: 5, received: 9000)), atWall: 0)
        #expect(try #require(watch.speed(of: MeshSamples.peer("a"))) == (0, 0))
        #expect(watch.speed(of: MeshSamples.peer("b")) == nil)
    }

    @Test("Counters that fall, clocks that stand still or turn back, and new starts give no speed")
    mutating func oddBeacons() throws {
        let beacons = [
            MeshSamples.beacon(issuedAt: 1000, received: 500), MeshSamples.beacon(issuedAt: 2000, received: 100),
            MeshSamples.beacon(issuedAt: 2050, received: .max), MeshSamples.beacon(issuedAt: .min, received: .max),
            MeshSamples.beacon(issuedAt: 9000, received: .max, incarnation: 2),
        ]
        for beacon in beacons {
            watch.take(MeshSamples.renewed("a", beacon), atWall: 0)
            #expect(try #require(watch.speed(of: MeshSamples.peer("a"))) == (0, 0))
        }
        watch.take(
            MeshSamples.renewed("a", MeshSamples.beacon(issuedAt: .max, received: .max, incarnation: 2)), atWall: 0)
        #expect(try #require(watch.speed(of: MeshSamples.peer("a"))).receiving.isFinite)
    }

    @Test("A source that fills up is a transfer from its first announcement to the whole")
    mutating func transfer() {
        watch.take(MeshSamples.came("a"), atWall: 0)
        watch.take(MeshSamples.announced(MeshSamples.announcement("m", eighths: 1), by: "a"), atWall: 10)
        watch.take(MeshSamples.announced(MeshSamples.announcement("m", eighths: 6), by: "a"), atWall: 20)
        #expect(watch.inFlight.values.map(\.announcement.coverageEighths) == [6])
        #expect(watch.inFlight.values.map(\.began) == [10])
        watch.take(MeshSamples.announced(MeshSamples.announcement("m", eighths: 8), by: "a"), atWall: 30)
        #expect(watch.inFlight.isEmpty)
        #expect(watch.ended.map(\.ending) == [.complete] && watch.ended.map(\.ended) == [30])
        #expect(watch.ended.map(\.name) == ["a"] && watch.ended.map(\.announcement.coverageEighths) == [8])
    }

    @Test("Who wants or loads is under way, who had everything from the start is not")
    mutating func states() {
        watch.take(
            MeshSamples.announced(MeshSamples.announcement("m", eighths: 0, state: .wanting), by: "a"), atWall: 1)
        watch.take(
            MeshSamples.announced(MeshSamples.announcement("m", eighths: 8, state: .loading), by: "b"), atWall: 1)
        watch.take(MeshSamples.announced(MeshSamples.announcement("m", eighths: 8), by: "c"), atWall: 1)
        watch.take(
            MeshSamples.announced(MeshSamples.announcement("n", eighths: 8, state: .tombstone), by: "c"), atWall: 1)
        #expect(Set(watch.inFlight.values.map(\.peer)) == [MeshSamples.peer("a"), MeshSamples.peer("b")])
        #expect(watch.ended.isEmpty)
    }

    @Test("What is taken back and what dies with its peer has ended, too")
    mutating func endings() {
        for name in ["a", "b"] {
            watch.take(MeshSamples.came(name), atWall: 0)
            watch.take(MeshSamples.announced(MeshSamples.announcement("m", eighths: 3), by: name), atWall: 1)
        }
        watch.take(
            MeshSamples.announced(MeshSamples.announcement("m", eighths: 3, state: .tombstone), by: "a"), atWall: 2)
        watch.take(.gone(MeshSamples.peer("b")), atWall: 3)
        #expect(watch.ended.map(\.ending) == [.withdrawn, .gone] && watch.ended.map(\.name) == ["a", "b"])
        #expect(watch.endedTotal == 2 && watch.inFlight.isEmpty)
        watch.sample(atWall: 4)
        #expect(watch.history.samples.map(\.peers) == [1])
    }

    @Test("A sample adds all peers up, and only the last minutes are kept")
    mutating func samples() {
        for name in ["a", "b"] {
            watch.take(MeshSamples.came(name), atWall: 0)
            watch.take(MeshSamples.renewed(name, MeshSamples.beacon(issuedAt: 1000)), atWall: 0)
            watch.take(
                MeshSamples.renewed(name, MeshSamples.beacon(issuedAt: 2000, received: 50, slotsInUse: 1)), atWall: 0)
        }
        for second in 1...400 { watch.sample(atWall: Int64(second)) }
        #expect(watch.history.samples.count == MeshWatch.samples && watch.history.end == 400)
        #expect(watch.history.samples.last == WatchSample(peers: 2, receiving: 100, slotsInUse: 2, slots: 4))
    }

    @Test("Ended transfers are counted all and kept in part")
    mutating func bounds() {
        for number in 0..<80 {
            watch.take(MeshSamples.announced(MeshSamples.announcement("m\(number)", eighths: 1), by: "a"), atWall: 1)
            watch.take(MeshSamples.announced(MeshSamples.announcement("m\(number)", eighths: 8), by: "a"), atWall: 2)
        }
        #expect(watch.endedTotal == 80 && watch.ended.count == MeshWatch.transfersEnded)
        #expect(watch.ended.last?.announcement.identity.model == "m79")
    }
}
