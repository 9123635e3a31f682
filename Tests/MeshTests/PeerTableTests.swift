import Digest
import Records
import Testing

@testable import Mesh

@Suite("The table of peers")
struct PeerTableTests {
    /// A peer's holdings under a key that begins with one of few words: keys are their owners' choice.
    private func holdings(_ number: Int) throws -> PeerHoldings {
        let frame = try SignedFrame(decoding: ToyOwner("owner").record(1, at: MeshPeer.epoch))
        var key = [UInt8](repeating: 0, count: Digest256.byteCount)
        key[0] = UInt8(number % 2)
        key[31] = UInt8(number)
        let author = try #require(PeerID(bytes: key))
        let bytes = SignedFrame(
            purpose: frame.purpose, author: author, payload: frame.payload, signature: frame.signature
        ).encoded
        let opened = try #require(OpenedFrame(bytes, digest: BLAKE2b.digest(bytes)))
        return PeerHoldings(own: opened, publishing: RateBucket(perSecond: 1, burst: 1))
    }

    @Test("Peers whose keys begin alike are told apart, in order, and a copy keeps what it had")
    func collisions() throws {
        let all = try (0..<40).map(holdings)
        var table = PeerTable()
        for entry in all.reversed() { table.put(entry) }
        #expect(table.count == 40 && table.keys == all.map(\.id).sorted())
        for entry in all { #expect(table[entry.id] === entry) }
        let copy = table
        for entry in all[..<20] { #expect(table.remove(entry.id) === entry) }
        #expect(table.remove(all[0].id) == nil && table[all[0].id] == nil)
        #expect(table.count == 20 && table.keys == all[20...].map(\.id).sorted())
        #expect(copy.count == 40 && copy[all[0].id] === all[0])
        let kept = all[30].kept(untilWall: 7)
        table.put(kept)
        #expect(table.count == 20 && table[kept.id] === kept && copy[kept.id] === all[30])
    }
}
