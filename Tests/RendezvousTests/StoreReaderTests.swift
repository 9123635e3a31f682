import Digest
import Records
import SnapshotStore
import Testing

@testable import Rendezvous

@Suite("What is read from the store")
struct StoreReaderTests {
    private func record(_ owner: String, _ purpose: Purpose, _ byte: UInt8) -> StoredRecord {
        StoredRecord(
            recordID: RecordID(SHA256.digest([byte])), owner: MeshSamples.peer(owner), kind: purpose.rawValue,
            version: Version(incarnation: 1, sequence: 1), remainingLife: 1, frame: [byte])
    }

    @Test("Revocations come first, then of each peer its own record first and its beacon last")
    func order() throws {
        let records = [
            record("a", .beacon, 3), record("a", .announcement, 2), record("r", .revocation, 0),
            record("a", .peerRecord, 1),
        ]
        #expect(StoreReader.batches(of: records) == [[[0], [1], [2], [3]]])
        #expect(StoreReader.batches(of: []) == [])
    }

    @Test("Many records come in batches, and no peer is torn apart")
    func batches() {
        let records = (0..<900).map { index in
            StoredRecord(
                recordID: RecordID(SHA256.digest([UInt8(index % 256), UInt8(index / 256)])),
                owner: MeshSamples.peer("p\(index / 9)"), kind: Purpose.announcement.rawValue,
                version: Version(incarnation: 1, sequence: 1), remainingLife: 1,
                frame: Array("p\(index / 9)".utf8))
        }
        let batches = StoreReader.batches(of: records)
        #expect(batches.count == 4 && batches.flatMap(\.self).count == 900)
        let owners = batches.map { Set($0) }
        #expect(Set(owners.flatMap(\.self)).count == owners.reduce(0) { $0 + $1.count })
    }
}
