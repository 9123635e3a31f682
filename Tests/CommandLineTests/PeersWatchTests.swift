import LocalAPI
import Testing

@testable import CommandLine

@Suite("The mesh, live")
struct PeersWatchTests {
    private func peer(_ name: String, served: UInt64 = 0, received: UInt64 = 0) -> PeerView {
        PeerView(
            peer: String(repeating: name, count: 16), name: name, zone: "", address: "h", bootstrapPort: 1,
            roles: ["reader"], isNeighbour: true, isSelf: false, slotsInUse: 1, slots: 2, bytesServed: served,
            bytesReceived: received, validForSeconds: 8)
    }

    private func rows(_ watch: PeersWatch, _ count: Int = 24) -> [String] {
        watch.text(rows: count).split(separator: "\n").map(String.init)
    }

    @Test("Who is there at the first look is no news; who comes later is marked, and so is who goes")
    func news() {
        var watch = PeersWatch()
        watch.look([peer("aaaa"), peer("bbbb")], at: 100)
        #expect(rows(watch)[0].hasPrefix("2 peers (0 came, 0 went"))
        watch.look([peer("aaaa"), peer("cccc")], at: 101)
        let text = rows(watch)
        #expect(text[0].hasPrefix("2 peers (1 came, 1 went in 10 s)"))
        #expect(text.contains { $0.hasPrefix("- ") && $0.contains("bbbb") && $0.hasSuffix("gone") })
        #expect(text.contains { $0.hasPrefix("+ ") && $0.contains("cccc") })
        watch.look([peer("aaaa"), peer("cccc")], at: 112)
        #expect(rows(watch)[0].hasPrefix("2 peers (0 came, 0 went"))
        #expect(!rows(watch).contains { $0.contains("bbbb") })
    }

    @Test("The busiest come first, with their speeds; a peer that starts again counts from nothing")
    func speeds() {
        var watch = PeersWatch()
        watch.look([peer("aaaa", served: 5_000_000_000), peer("bbbb")], at: 0)
        watch.look([peer("aaaa", served: 1_000), peer("bbbb", received: 3_000_000_000)], at: 2)
        let text = rows(watch)
        #expect(text[0].contains("2 of 4 slots in use; 1.50 GB/s between peers"))
        #expect(text[2].contains("bbbb") && text[2].contains("1.50 GB/s"))
        #expect(!text[3].contains("GB/s"))
    }

    @Test("A mesh that is larger than the window says how much of it is not shown")
    func height() {
        var watch = PeersWatch()
        watch.look((0..<300).map { peer("p\($0)") }, at: 0)
        let text = rows(watch, 10)
        #expect(text.count <= 10 && text.last == "... and 293 more")
    }
}
