import EventThread
import Records
import SnapshotStore
import Testing

@testable import Rendezvous

@Suite("The server's state")
struct ServerConditionTests {
    private static let away = SnapshotStoreState.disconnected(
        since: 0, reason: .unreachable(endpoint: "redis:6379", cause: "refused"))

    @Test("It is warming until two peers hold the same, and says how many do")
    func warmsByAgreement() {
        var condition = ServerCondition(started: 5)
        condition.take(store: .connected)
        condition.take(agreeing: 5, now: 5)
        #expect(condition.report.state == .warming && condition.report.reason.contains("reads what Redis holds"))
        condition.endReading()
        condition.take(agreeing: 1, now: 6)
        #expect(condition.report.state == .warming && condition.report.reason.contains("1 of 2 peers"))
        condition.take(agreeing: 2, now: 7)
        #expect(condition.report == ServerCondition.Report(state: .ok, reason: "2 peers hold what it holds"))
    }

    @Test("Without such peers it is warm after ten seconds, and stays so")
    func warmsByTime() {
        var condition = ServerCondition(started: 5)
        condition.take(store: .connected)
        condition.endReading()
        condition.take(agreeing: 0, now: 5 + ServerCondition.longestWarming - 1)
        #expect(condition.report.state == .warming)
        condition.take(agreeing: 0, now: 5 + ServerCondition.longestWarming)
        #expect(condition.report.state == .ok)
        condition.take(agreeing: 0, now: 5 + 2 * ServerCondition.longestWarming)
        #expect(condition.report.state == .ok)
    }

    @Test("Without Redis it is degraded and names the reason; warming and draining come first")
    func precedence() {
        var condition = ServerCondition(started: 0)
        condition.take(store: Self.away)
        condition.endReading()
        #expect(condition.report.state == .warming)
        condition.take(agreeing: 3, now: 1)
        #expect(condition.report.state == .degraded && condition.report.reason.contains("redis:6379"))
        condition.take(store: .connected)
        #expect(condition.report.state == .ok)
        condition.drain()
        #expect(condition.report.state == .draining)
        condition.take(store: Self.away)
        #expect(condition.report.state == .draining)
    }

    @Test("Only ok and degraded are ready: a server without Redis stays in its Service")
    func readiness() {
        #expect(ServerState.allCases.filter(\.isReady) == [.ok, .degraded])
    }
}
