import EventThread
import HTTPFace
import LocalAPI
import Records
import Testing

@testable import Rendezvous

@Suite("The overview")
struct OverviewTests {
    private static func peers(_ names: [String], zone: String = "") -> [(PeerRecord, Beacon?)] {
        names.map { (MeshSamples.record($0, zone: zone), MeshSamples.beacon(issuedAt: 1)) }
    }

    private static func names(_ query: String, of base: OverviewBase) -> [String] {
        base.overview(RequestQuery(query)).peers.rows.map(\.name)
    }

    @Test("A filter takes rows that hold all its words, in any case and any field")
    func filter() {
        let base = MeshSamples.base(
            MeshSamples.look(
                peers: Self.peers(["vllm-1", "VLLM-2"], zone: "Rack-A") + Self.peers(["other"], zone: "rack-b")))
        #expect(Self.names("peers_filter=vllm+rack-a&peers_sort=name", of: base) == ["VLLM-2", "vllm-1"])
        #expect(Self.names("peers_filter=RACK-B", of: base) == ["other"])
        #expect(Self.names("peers_filter=relay+10.0.0", of: base).count == 3)
        #expect(Self.names("peers_filter=%3Cnone%3E", of: base).isEmpty)
        let page = base.overview(RequestQuery("peers_filter=vllm")).peers
        #expect(page.total == 3 && page.matching == 2 && page.offset == 0)
    }

    @Test("Rows come sorted as asked, and by load where nothing or nonsense is asked")
    func order() {
        var watch = MeshWatch()
        for (name, received) in [("a", UInt64(10)), ("b", 30), ("c", 20)] {
            watch.take(MeshSamples.renewed(name, MeshSamples.beacon(issuedAt: 1000)), atWall: 0)
            watch.take(MeshSamples.renewed(name, MeshSamples.beacon(issuedAt: 2000, received: received)), atWall: 0)
        }
        let base = MeshSamples.base(MeshSamples.look(peers: Self.peers(["a", "b", "c"])), watch: watch)
        #expect(Self.names("", of: base) == ["b", "c", "a"])
        #expect(Self.names("peers_sort=nonsense", of: base) == ["b", "c", "a"])
        #expect(Self.names("peers_sort=-name", of: base) == ["c", "b", "a"])
        #expect(Self.names("peers_sort=receiving", of: base) == ["a", "c", "b"])
        let first = base.overview(RequestQuery(""))
        #expect(first.peers.rows.map(\.receivingBytesPerSecond) == [30, 20, 10])
        #expect(first.load.receivingBytesPerSecond == 60)
    }

    @Test(
        "Pages are cut within their bounds; behind the end stands the last one",
        arguments: [
            ("peers_offset=0&peers_limit=4", 0, 4), ("peers_offset=8&peers_limit=4", 8, 2),
            ("peers_offset=10&peers_limit=4", 8, 2), ("peers_offset=99999999999&peers_limit=4", 8, 2),
            ("peers_offset=-3&peers_limit=0", 0, 1), ("peers_limit=9999", 0, 10),
            ("peers_filter=nothing&peers_offset=7", 0, 0),
        ])
    func pages(query: String, offset: Int, count: Int) {
        let base = MeshSamples.base(MeshSamples.look(peers: Self.peers((0..<10).map { "p\($0)" })))
        let page = base.overview(RequestQuery(query)).peers
        #expect(page.offset == offset && page.rows.count == count)
    }

    @Test("A model's copies are those of the rank that has the fewest, and its variants stand apart")
    func models() throws {
        let (a, b) = (MeshSamples.record("a"), MeshSamples.record("b"))
        let base = MeshSamples.base(
            MeshSamples.look(
                peers: [(a, nil), (b, nil)],
                sources: [
                    (a, MeshSamples.announcement("m", eighths: 8)), (b, MeshSamples.announcement("m", eighths: 8)),
                    (a, MeshSamples.announcement("m", eighths: 8, rank: 1, bytes: 200)),
                    (b, MeshSamples.announcement("m", eighths: 3, rank: 1, bytes: 200)),
                    (b, MeshSamples.announcement("m", eighths: 0, state: .wanting, rank: 2, bytes: 100)),
                    (a, MeshSamples.announcement("m", eighths: 8, dtype: "fp8")),
                ]))
        let page = base.overview(RequestQuery(""))
        #expect(page.models.rows.map(\.variant) == ["", "fp8"])
        let model = try #require(page.models.rows.first)
        #expect(model.ranks == 3 && model.copies == 0 && model.sources == 5)
        #expect(model.complete == 3 && model.partial == 1 && model.wanting == 1 && model.bytes == 1100)
        #expect(model.coverage == [1, 0, 0, 1, 0, 0, 0, 0, 3])
        #expect(page.sources.total == 6 && page.sources.rows.map(\.rank) == [0, 0, 0, 1, 1, 2])
    }

    @Test("Sums of what peers claim never overflow")
    func saturation() {
        let boast = MeshSamples.beacon(issuedAt: 1, served: .max, received: .max, slotsInUse: .max, slots: .max)
        let base = MeshSamples.base(
            MeshSamples.look(
                peers: ["a", "b"].map { (MeshSamples.record($0), boast) },
                sources: [0, 1].map {
                    (MeshSamples.record("a"), MeshSamples.announcement("m", eighths: 255, rank: $0, bytes: .max))
                }))
        let overview = base.overview(RequestQuery(""))
        #expect(overview.load.bytesServed == .max && overview.load.slots == 2 * 65_535)
        #expect(overview.models.rows.map(\.bytes) == [.max])
    }

    @Test(
        "An operator is told of a store that is away, of loneliness, of clocks and of quarantine, and else of nothing")
    func reasons() {
        var look = MeshSamples.look(peers: Self.peers(["server", "a"]))
        let fine = ServerCondition.Report(state: .ok, reason: "2 peers hold what it holds")
        #expect(OverviewReasons.all(look, fine, storeWaiting: 3).isEmpty)
        look.clockOffset = 40
        #expect(OverviewReasons.all(look, fine, storeWaiting: 3).isEmpty)
        #expect(OverviewReasons.all(look, fine, storeWaiting: 5_000).count == 1)
        look.clockOffset = -1_500
        look.neighbours = 0
        look.quarantined = [MeshSamples.peer("a")]
        let away = ServerCondition.Report(state: .degraded, reason: "serving from memory: refused")
        let reasons = OverviewReasons.all(look, away, storeWaiting: 3)
        #expect(reasons.count == 4 && reasons[0].contains("refused") && reasons[2].contains("1.5 s ahead of"))
    }

    @Test("The answer about ten thousand peers is as bounded as that about ten")
    func large() throws {
        let records = (0..<10_000).map { MeshSamples.record("vllm-\($0)", zone: "rack-\($0 % 100)") }
        let look = MeshSamples.look(
            peers: records.map { ($0, MeshSamples.beacon(issuedAt: 1)) },
            sources: records.map { ($0, MeshSamples.announcement("model-\($0.name.utf8.count)", eighths: 8)) })
        let start = MonotonicClock.now()
        let base = MeshSamples.base(look)
        let made = MonotonicClock.now()
        let text = try LocalJSON.encode(base.overview(RequestQuery("peers_filter=rack-7&peers_sort=name")))
        print(
            "10,000 peers: base \((made - start) / 1_000_000) ms, answer \((MonotonicClock.now() - made) / 1_000_000) ms"
        )
        #expect(text.count < 64 * 1024)
        #expect(base.overview(RequestQuery("")).load.zones.count == 12)
    }
}
