import Records
import Testing

@testable import SnapshotStore

struct PendingWritesTests {
    private func write(_ number: Int, sequence: UInt64, deadline: UInt64 = 1, size: Int = 10) -> PendingWrite {
        let version = Version(incarnation: 1, sequence: sequence)
        let record = Sample.record(number, version: version, size: size)
        return PendingWrite(recordID: record.recordID, version: version, change: .put(record, deadline: deadline))
    }

    private func removal(_ number: Int, sequence: UInt64) -> PendingWrite {
        PendingWrite(
            recordID: Sample.recordID(number), version: Version(incarnation: 1, sequence: sequence), change: .remove)
    }

    private func pending(_ change: (inout SnapshotStoreLimits) -> Void = { _ in }) -> PendingWrites {
        var limits = SnapshotStoreLimits()
        change(&limits)
        return PendingWrites(limits: limits)
    }

    @Test("A record waits once, in its newest version")
    func coalesces() {
        var pending = pending()
        for sequence: UInt64 in [2, 5, 3] {
            let isTaken = pending.add(write(1, sequence: sequence))
            #expect(isTaken)
        }
        #expect(pending.count == 1)
        let taken = pending.takeWrites().map(\.version.sequence)
        #expect(taken == [5])
        #expect(pending.bytes == 0)
    }

    @Test("A removal wins over a put of the same version, in either order, and a newer put over a removal")
    func removalWins() {
        for order in [
            [write(1, sequence: 4), removal(1, sequence: 4)], [removal(1, sequence: 4), write(1, sequence: 4)],
        ] {
            var pending = pending()
            for entry in order { _ = pending.add(entry) }
            guard case .remove? = pending.takeWrites().first?.change else {
                Issue.record("the put won")
                continue
            }
        }
        #expect(write(1, sequence: 5).supersedes(removal(1, sequence: 4)))
    }

    @Test("What is over the bounds is refused, but what waits can still be replaced")
    func isBounded() {
        var pending = pending { $0.pendingWrites = 2 }
        let taken = [1, 2, 3].map { pending.add(write($0, sequence: 1)) }
        #expect(taken == [true, true, false])
        let isReplaced = pending.add(write(2, sequence: 2))
        #expect(isReplaced)
        var narrow = self.pending { $0.pendingBytes = 2 * PendingWrite.overhead + 100 }
        let fits = [narrow.add(write(1, sequence: 1, size: 100)), narrow.add(write(2, sequence: 1, size: 1))]
        #expect(fits == [true, false])
        let isOversize = !narrow.add(write(1, sequence: 2, size: 10_000))
        #expect(isOversize)
    }

    @Test("A batch that could not be sent comes back, unless something newer waits by then")
    func givesBack() {
        var pending = pending()
        _ = pending.add(write(1, sequence: 1))
        _ = pending.add(write(2, sequence: 1))
        let batch = pending.takeWrites()
        _ = pending.add(write(1, sequence: 2))
        pending.giveBack(writes: batch, renewals: [])
        let again = pending.takeWrites().sorted { $0.recordID < $1.recordID }
        #expect(again.map(\.version.sequence) == [2, 1])
        #expect(pending.count == 0)
        #expect(pending.bytes == 0)
    }

    @Test("Batches keep to their limits and to the order of arrival")
    func batches() {
        var pending = pending { limits in
            limits.batchWrites = 3
            limits.batchBytes = 2 * PendingWrite.overhead + 250
        }
        for number in 0..<7 { _ = pending.add(write(number, sequence: 1, size: number == 3 ? 9_000 : 100)) }
        var batches: [[RecordID]] = []
        while pending.count > 0 { batches.append(pending.takeWrites().map(\.recordID)) }
        let expected: [[Int]] = [[0, 1], [2], [3], [4, 5], [6]]
        let ids: [[RecordID]] = expected.map { batch in batch.map { number in Sample.recordID(number) } }
        #expect(batches == ids)
    }

    @Test("Renewals of one peer become one, with all records and the later end")
    func mergesRenewals() {
        var pending = pending { $0.renewedRecords = 3 }
        let owner = Sample.owner(1)
        for (records, deadline) in [([1, 2], 50), ([2, 3], 40)] as [([Int], UInt64)] {
            _ = pending.add(
                PendingRenewal(owner: owner, records: Set(records.map(Sample.recordID)), deadline: deadline))
        }
        let renewal = pending.takeRenewals()
        #expect(renewal.first?.records == Set([1, 2, 3].map(Sample.recordID)))
        #expect(renewal.first?.deadline == 50)
        _ = pending.add(PendingRenewal(owner: owner, records: Set((0..<4).map(Sample.recordID)), deadline: 1))
        let last = pending.takeRenewals()
        #expect(last.count == 1 && last.first?.records == nil)
    }
}
