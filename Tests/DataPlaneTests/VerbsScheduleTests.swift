import Testing

@testable import DataPlane

@Suite("RDMA reads are spread over a lane's ports")
struct RDMAScheduleTests {
    /// Pieces that touch as one.
    static func joined(_ pieces: [(start: UInt64, length: Int)]) -> [Range<UInt64>] {
        pieces.reduce(into: []) { ranges, piece in
            if let last = ranges.last, last.upperBound == piece.start {
                ranges[ranges.count - 1] = last.lowerBound..<piece.start + UInt64(piece.length)
            } else {
                ranges.append(piece.start..<piece.start + UInt64(piece.length))
            }
        }
    }

    static func segments(_ count: Int, read: UInt64 = 1, length: Int = 1024 * 1024) -> [RDMASchedule.Segment] {
        (0..<count).map {
            RDMASchedule.Segment(
                read: read, local: UInt64($0 * length), region: 0, remote: UInt64($0 * length), length: length)
        }
    }

    @Test("Rails get equal shares while they complete equally fast, and no more than their bound")
    func shares() {
        var schedule = RDMASchedule(rails: 2)
        schedule.add(Self.segments(40))
        var posted = [0, 0]
        while let (rail, _, _) = schedule.next() { posted[rail] += 1 }
        #expect(posted == [8, 8])
        #expect(schedule.isAnyPosted)
    }

    @Test("The rail that completes gets the next segment")
    func completion() throws {
        var schedule = RDMASchedule(rails: 2)
        schedule.add(Self.segments(40))
        var ids: [[UInt64]] = [[], []]
        while let (rail, id, _) = schedule.next() { ids[rail].append(id) }
        let done = try #require(ids[1].first)
        let segment = schedule.complete(done)
        #expect(segment?.read == 1)
        let next = schedule.next()
        #expect(next?.rail == 1)
        let none = schedule.next()
        #expect(none?.id == nil)
    }

    @Test("What a failed rail had in flight is read over the others, first of all, and each segment once")
    func failure() {
        var schedule = RDMASchedule(rails: 2)
        let all = Self.segments(30)
        schedule.add(all)
        var came: [RDMASchedule.Segment] = []
        var lost: [RDMASchedule.Segment] = []
        var ids: [UInt64] = []
        while let (rail, id, segment) = schedule.next() {
            if rail == 0 { ids.append(id) } else { lost.append(segment) }
        }
        schedule.fail(rail: 1)
        #expect(schedule.isAnyUp)
        var again: [RDMASchedule.Segment] = []
        while let id = ids.popLast() {
            if let segment = schedule.complete(id) { came.append(segment) }
            while let (rail, next, segment) = schedule.next() {
                #expect(rail == 0)
                ids.append(next)
                again.append(segment)
            }
        }
        #expect(Array(again.prefix(lost.count)) == lost)
        #expect(came.sorted { $0.remote < $1.remote } == all)
        schedule.fail(rail: 0)
        #expect(!schedule.isAnyUp)
        #expect(!schedule.isAnyPosted)
    }

    @Test("A late completion of a failed rail counts for nothing")
    func late() throws {
        var schedule = RDMASchedule(rails: 2)
        schedule.add(Self.segments(1))
        let first = schedule.next()
        let posted = try #require(first)
        schedule.fail(rail: posted.rail)
        let late = schedule.complete(posted.id)
        #expect(late == nil)
    }

    @Test("A chunk is cut where either side is cut, at registrations and at a megabyte, and every byte is read once")
    func cutting() {
        let slice: UInt64 = 3_000_000
        let local: [(start: UInt64, length: Int)] = [(1_000_000, 2_500_000), (10_000_000, 1), (20_000_000, 1_700_000)]
        let remote: [(start: UInt64, length: Int)] = [(0, 7), (64, 2_000_000), (9_000_000, 2_199_994)]
        let segments = RDMASchedule.segments(read: 5, local: local, remote: remote) { address in
            (Int(address / slice), (address / slice + 1) * slice)
        }
        #expect(segments.reduce(0) { $0 + $1.length } == 4_200_001)
        #expect(segments.allSatisfy { $0.length > 0 && $0.length <= 1024 * 1024 && $0.read == 5 })
        #expect(segments.allSatisfy { $0.local / slice == ($0.local + UInt64($0.length) - 1) / slice })
        #expect(segments.allSatisfy { $0.region == Int($0.local / slice) })
        #expect(Self.joined(segments.map { ($0.local, $0.length) }) == Self.joined(local))
        #expect(Self.joined(segments.map { ($0.remote, $0.length) }) == Self.joined(remote))
    }
}
