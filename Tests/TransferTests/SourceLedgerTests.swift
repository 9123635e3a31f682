import Digest
import Records
import Testing
import Transfer

private func peer(_ number: UInt8) -> PeerID { PeerID(SHA256.digest([number])) }
private func lease(_ number: UInt8) -> LeaseID { LeaseID(SHA256.digest([number, 1])) }
private func moment(_ milliseconds: UInt64) -> Moment {
    Moment(monotonic: milliseconds * Duration64.millisecond, wall: Int64(milliseconds))
}

@Suite("What a source admits")
struct SourceLedgerTests {
    private let manifest = ManifestID(SHA256.digest([0]))
    private let other = ManifestID(SHA256.digest([1]))
    private var ledger: SourceLedger

    init() {
        var configuration = SourceLedger.Configuration()
        configuration.slots = 2
        ledger = SourceLedger(configuration: configuration, generation: 100)
    }

    private mutating func request(
        by reader: UInt8, _ manifest: ManifestID, id: UInt8, at time: UInt64, isGranted: Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let answer = ledger.request(by: peer(reader), manifest: manifest, id: lease(id), now: moment(time))
        #expect((answer != nil) == isGranted, sourceLocation: sourceLocation)
    }

    @Test("As many readers are admitted as there are slots, and one more when a slot comes back")
    mutating func slots() throws {
        request(by: 1, manifest, id: 1, at: 0, isGranted: true)
        request(by: 2, manifest, id: 2, at: 0, isGranted: true)
        request(by: 3, manifest, id: 3, at: 0, isGranted: false)
        #expect(ledger.slotsInUse == 2)
        let byStranger = ledger.release(lease(1), by: peer(2))
        #expect(!byStranger, "only its reader gives a lease back")
        let first = ledger.release(lease(1), by: peer(1))
        let again = ledger.release(lease(1), by: peer(1))
        #expect(first && !again)
        request(by: 3, manifest, id: 3, at: 0, isGranted: true)
    }

    @Test("A reservation keeps a slot for its reader for two seconds")
    mutating func reservations() {
        let first = ledger.probe(by: peer(1), now: moment(0))
        #expect(first == (2, true))
        let again = ledger.probe(by: peer(1), now: moment(0))
        #expect(again == (2, true), "one reader has one reservation")
        let second = ledger.probe(by: peer(2), now: moment(0))
        #expect(second == (1, true))
        let third = ledger.probe(by: peer(3), now: moment(0))
        #expect(third == (0, false))
        request(by: 3, manifest, id: 3, at: 1_999, isGranted: false)
        request(by: 1, manifest, id: 1, at: 1_999, isGranted: true)
        request(by: 3, manifest, id: 3, at: 2_000, isGranted: true)
        let full = ledger.probe(by: peer(2), now: moment(2_000))
        #expect(full == (0, false))
    }

    @Test("A reservation that is released is free at once")
    mutating func releasedReservation() {
        _ = ledger.probe(by: peer(1), now: moment(0))
        _ = ledger.probe(by: peer(2), now: moment(0))
        ledger.releaseReservation(of: peer(1))
        let third = ledger.probe(by: peer(3), now: moment(0))
        #expect(third == (1, true))
    }

    @Test("A lease ends after its term and grace unless it is renewed by its reader")
    mutating func expiry() throws {
        _ = ledger.request(by: peer(1), manifest: manifest, id: lease(1), now: moment(0))
        #expect(ledger.nextDeadline == moment(12_000).monotonic)
        let byStranger = ledger.renew(lease(1), by: peer(2), now: moment(5_000))
        let byReader = ledger.renew(lease(1), by: peer(1), now: moment(5_000))
        #expect(!byStranger && byReader)
        let early = ledger.expire(now: moment(16_999))
        #expect(early.isEmpty)
        let late = ledger.expire(now: moment(17_000))
        #expect(late.map(\.id) == [lease(1)])
        #expect(ledger.nextDeadline == nil && ledger.slotsInUse == 0)
        let afterEnd = ledger.renew(lease(1), by: peer(1), now: moment(17_000))
        #expect(!afterEnd)
    }

    @Test("A lease never goes past its reader's certificate, nor does its renewal")
    mutating func certificate() throws {
        let life = 3 * Duration64.second
        let granted = ledger.request(
            by: peer(1), manifest: manifest, id: lease(1), limit: life, now: moment(1_000))
        #expect(granted?.lease.end == moment(4_000).monotonic)
        let isRenewed = ledger.renew(lease(1), by: peer(1), limit: Duration64.second, now: moment(3_000))
        #expect(isRenewed && ledger.lease(lease(1))?.end == moment(4_000).monotonic)
    }

    @Test("A reader's second lease on the same manifest replaces its first, even when all slots are taken")
    mutating func replacement() throws {
        _ = ledger.request(by: peer(1), manifest: manifest, id: lease(1), now: moment(0))
        _ = ledger.request(by: peer(2), manifest: manifest, id: lease(2), now: moment(0))
        let answer = ledger.request(by: peer(1), manifest: manifest, id: lease(3), now: moment(0))
        let replaced = try #require(answer)
        #expect(replaced.replaced == lease(1))
        #expect(ledger.slotsInUse == 2 && ledger.lease(lease(1)) == nil)
        request(by: 1, other, id: 4, at: 0, isGranted: false)
    }

    @Test("Generations only grow, and begin where the process began")
    mutating func generations() throws {
        var last: UInt64 = 100
        for number in UInt8(1)...5 {
            let answer = ledger.request(by: peer(1), manifest: manifest, id: lease(number), now: moment(0))
            let generation = try #require(answer).lease.generation
            #expect(generation > last)
            last = generation
        }
    }

    @Test("A reader that vanishes, and content that is withdrawn, free their slots")
    mutating func endings() {
        _ = ledger.request(by: peer(1), manifest: manifest, id: lease(1), now: moment(0))
        _ = ledger.request(by: peer(2), manifest: other, id: lease(2), now: moment(0))
        let gone = ledger.readerGone(peer(1))
        #expect(gone.map(\.id) == [lease(1)])
        let untouched = ledger.withdraw(manifest)
        #expect(untouched.isEmpty)
        let withdrawn = ledger.withdraw(other)
        #expect(withdrawn.map(\.id) == [lease(2)])
        #expect(ledger.slotsInUse == 0)
    }

    @Test("Slots are never given out twice, whatever readers do", arguments: 1...50)
    mutating func random(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var time: UInt64 = 0
        for step in 0..<200 {
            time += UInt64.random(in: 0...1_500, using: &generator)
            let reader = peer(UInt8.random(in: 1...6, using: &generator))
            let name = lease(UInt8.random(in: 1...40, using: &generator))
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: _ = ledger.probe(by: reader, now: moment(time))
            case 1: _ = ledger.request(by: reader, manifest: manifest, id: lease(UInt8(step)), now: moment(time))
            case 2: _ = ledger.renew(name, by: reader, now: moment(time))
            case 3: _ = ledger.release(name, by: reader)
            case 4: _ = ledger.readerGone(reader)
            default: _ = ledger.expire(now: moment(time))
            }
            #expect(ledger.slotsInUse <= ledger.configuration.slots, "seed \(seed), step \(step)")
            _ = ledger.expire(now: moment(time))
            #expect(ledger.nextDeadline.map { $0 > moment(time).monotonic } ?? true, "seed \(seed), step \(step)")
        }
    }
}
