import Digest
import Records
import Testing

@testable import MeshTransport

private let second = Duration64.second

/// Admissions behind a reference, as `#expect` needs it.
private final class Gate {
    var admissions = Admissions()

    static func digest(_ number: UInt64) -> Digest256 { BLAKE2b.digest([UInt8]("\(number)".utf8)) }

    func judge(_ number: UInt64, bytes: Int = 100, at now: UInt64 = second) -> Admissions.Verdict {
        admissions.judge(
            CurveKey(Self.digest(number)), routingID: [UInt8(number & 255)], bytes: bytes, now: now)
    }

    func judgeControl(_ key: CurveKey, of peer: PeerID, bytes: Int, now: UInt64) -> Admissions.Verdict {
        admissions.judgeControl(key, of: peer, bytes: bytes, now: now)
    }

    func judgeGossip(_ key: CurveKey, of peer: PeerID, bytes: Int, now: UInt64) -> Admissions.Verdict {
        admissions.judgeGossip(key, of: peer, bytes: bytes, now: now)
    }

    func judgeSubscription(_ key: CurveKey, isOurChannel: Bool = false, now: UInt64) -> Admissions.Verdict {
        admissions.judgeSubscription(key, isOurChannel: isOurChannel, now: now)
    }

    func mayConnect(_ key: CurveKey, from address: String, now: UInt64) -> Bool {
        admissions.mayConnect(key, from: address, now: now)
    }

    func mayGreet(_ key: CurveKey, now: UInt64) -> Bool { admissions.mayGreet(key, now: now) }
}

@Suite("Who may say how much")
struct AdmissionsTests {
    private func key(_ number: UInt64) -> CurveKey { CurveKey(Gate.digest(number)) }
    private func peer(_ number: UInt64) -> PeerID { PeerID(Gate.digest(number + 1_000_000)) }

    @Test(
        "A key on probation is heard up to its bounds of messages, bytes and time, and is refused until its time is over"
    )
    func probation() {
        let gate = Gate()
        #expect(gate.mayConnect(key(1), from: "a", now: second))
        for _ in 0..<TransportLimits.probationMessages { #expect(gate.judge(1) == .onProbation) }
        #expect(gate.judge(1) == .dropped(.unknown, isFinal: true))
        #expect(!gate.mayConnect(key(1), from: "a", now: second))
        #expect(gate.judge(2, bytes: TransportLimits.probationBytes) == .onProbation)
        #expect(gate.judge(2, bytes: 1) == .dropped(.unknown, isFinal: true))
        #expect(gate.judge(3) == .onProbation)
        let over = second + TransportLimits.probationTime
        #expect(gate.judge(3, at: over) == .dropped(.unknown, isFinal: true))
        gate.admissions.sweep(now: over)
        #expect(gate.admissions.probationCount == 0)
        #expect(gate.judge(1, at: over) == .onProbation)
    }

    @Test("Probations are bounded, altogether and for each address")
    func room() {
        let gate = Gate()
        for number in 0..<UInt64(TransportLimits.probationOfAddress) {
            #expect(gate.mayConnect(key(number), from: "a", now: second))
        }
        #expect(!gate.mayConnect(key(9_999), from: "a", now: second))
        #expect(gate.mayConnect(key(9_999), from: "b", now: second))
        for number in 10_000..<UInt64(12_000) { _ = gate.mayConnect(key(number), from: "\(number)", now: second) }
        #expect(gate.admissions.probationCount == TransportLimits.probation)
        #expect(!gate.mayConnect(key(20_000), from: "c", now: second))
        gate.admissions.admit(key(0), as: peer(0))
        #expect(gate.mayConnect(key(20_000), from: "c", now: second))
    }

    @Test("A key that becomes a peer's during its probation answers on the channel that it had")
    func admission() {
        let gate = Gate()
        #expect(gate.judge(5) == .onProbation)
        gate.admissions.admit(key(5), as: peer(5))
        #expect(gate.admissions.route(to: peer(5)) == [5])
        #expect(gate.judge(5) == .from(peer(5)))
        gate.admissions.forgetRoutes()
        #expect(gate.admissions.route(to: peer(5)) == nil)
        gate.admissions.remove(peer(5))
        #expect(gate.judge(5) == .onProbation)
    }

    @Test("A blocked key is refused and dropped whatever it was, until its block ends")
    func block() {
        let gate = Gate()
        gate.admissions.admit(key(1), as: peer(1))
        gate.admissions.block(key(1), until: 5 * second)
        gate.admissions.block(key(1), until: 3 * second)
        #expect(gate.judge(1) == .dropped(.blocked, isFinal: true))
        #expect(gate.judgeControl(key(1), of: peer(1), bytes: 1, now: second) == .dropped(.blocked, isFinal: true))
        #expect(gate.judgeGossip(key(1), of: peer(1), bytes: 1, now: second) == .dropped(.blocked, isFinal: true))
        #expect(gate.judgeSubscription(key(1), now: second) == .dropped(.blocked, isFinal: true))
        #expect(!gate.mayConnect(key(1), from: "a", now: 4 * second))
        #expect(!gate.admissions.maySubscribe(key(1), isOurChannel: true, now: 4 * second))
        #expect(gate.mayConnect(key(1), from: "a", now: 5 * second))
        #expect(gate.judge(1, at: 5 * second) == .from(peer(1)))
        gate.admissions.sweep(now: 5 * second)
        #expect(gate.admissions.blockedCount == 0)
    }

    @Test("Blocks are bounded: the one that is over soonest makes room")
    func blocks() {
        let gate = Gate()
        for number in 0..<UInt64(TransportLimits.blockedKeys) {
            gate.admissions.block(key(number), until: (number + 2) * second)
        }
        gate.admissions.block(key(9_999), until: 9 * second)
        #expect(gate.admissions.blockedCount == TransportLimits.blockedKeys)
        #expect(!gate.admissions.isBlocked(key(0), now: second))
        #expect(gate.admissions.isBlocked(key(1), now: second) && gate.admissions.isBlocked(key(9_999), now: second))
    }

    @Test("Over its budget a peer's messages are dropped, and its next ones are taken once time has filled it again")
    func budget() {
        let gate = Gate()
        gate.admissions.admit(key(1), as: peer(1))
        gate.admissions.admit(key(2), as: peer(2))
        let burst = TransportLimits.controlTraffic.messages.burst
        #expect((0..<burst).allSatisfy { _ in gate.judge(1) == .from(peer(1)) })
        #expect(gate.judge(1) == .dropped(.overBudget, isFinal: false))
        #expect(gate.judge(2) == .from(peer(2)), "everybody has a budget of its own")
        #expect(gate.judge(1, at: 2 * second) == .from(peer(1)))
    }

    @Test("Bytes are budgeted as well, and a snapshot or the largest manifest fits")
    func bytes() {
        let gate = Gate()
        gate.admissions.admit(key(1), as: peer(1))
        let pages = Int(ManifestLimits.encodedSize) / WireLimits.manifestPage
        #expect((0..<pages).allSatisfy { _ in gate.judge(1, bytes: WireLimits.manifestPage + 500) == .from(peer(1)) })
        for _ in 0..<100 { _ = gate.judge(1, bytes: WireLimits.controlMessage) }
        #expect(gate.judge(1, bytes: WireLimits.controlMessage) == .dropped(.overBudget, isFinal: false))
    }

    @Test("Who goes on over its budget is taken for a flooder and blocked; haste now and then is forgiven")
    func flood() {
        let gate = Gate()
        gate.admissions.admit(key(1), as: peer(1))
        var now = second
        // The largest frames: bytes run out long before messages.
        let say = { (number: UInt64, now: UInt64) in
            gate.judgeGossip(key(number), of: peer(number), bytes: WireLimits.gossipFrame, now: now)
        }
        var verdict = say(1, now)
        for _ in 0..<10_000 where verdict != .dropped(.overBudget, isFinal: true) { verdict = say(1, now) }
        #expect(verdict == .dropped(.overBudget, isFinal: true))
        #expect(gate.admissions.isBlocked(key(1), now: now + TransportLimits.floodBlock - 1))
        #expect(!gate.admissions.isBlocked(key(1), now: now + TransportLimits.floodBlock))

        gate.admissions.admit(key(2), as: peer(2))
        for _ in 0..<3 {
            for _ in 0..<3_000 { verdict = say(2, now) }
            #expect(verdict == .dropped(.overBudget, isFinal: false))
            now += 2 * TransportLimits.floodMemory
        }
    }

    @Test("Greetings and subscriptions of a peer have budgets of their own")
    func greetings() {
        let gate = Gate()
        gate.admissions.admit(key(1), as: peer(1))
        for _ in 0..<TransportLimits.greetings.burst {
            #expect(gate.mayGreet(key(1), now: second))
        }
        #expect(!gate.mayGreet(key(1), now: second))
        #expect(gate.judge(1) == .from(peer(1)))
        for _ in 0..<TransportLimits.subscriptions.burst {
            #expect(gate.judgeSubscription(key(1), now: second) == .from(peer(1)))
        }
        #expect(gate.judgeSubscription(key(1), now: second) == .dropped(.overBudget, isFinal: true))
        #expect(gate.admissions.isBlocked(key(1), now: second + TransportLimits.subscriptionBlock - 1))
        #expect(gate.judgeSubscription(key(2), now: second) == .dropped(.unknown, isFinal: true))
        #expect(gate.judgeSubscription(key(2), isOurChannel: true, now: second) == .onProbation)
        #expect(gate.admissions.maySubscribe(key(2), isOurChannel: true, now: second))
        #expect(!gate.admissions.maySubscribe(key(2), isOurChannel: false, now: second))
    }
}

@Suite("How many come from where")
struct AddressRateTests {
    @Test("Each address has its share of a second, and all together have theirs")
    func rate() {
        var rate = AddressRate(AddressRate.Limits(ofAddress: 2, ofAll: 5))
        let asked = ["a", "a", "a", "b", "b", "c", "c", "d"]
        let answers = asked.map { rate.allows($0, now: second) }
        #expect(answers == [true, true, false, true, true, true, false, false])
        let later = asked.map { rate.allows($0, now: 2 * second) }
        #expect(later == answers)
    }

    @Test("More addresses than can be counted are refused")
    func addresses() {
        var rate = AddressRate(AddressRate.Limits(ofAddress: 1, ofAll: .max))
        let answers = (0...TransportLimits.countedAddresses).map { rate.allows("\($0)", now: second) }
        #expect(answers.count { $0 } == TransportLimits.countedAddresses)
        #expect(answers.last == false)
    }
}
