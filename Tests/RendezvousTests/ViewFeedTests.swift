import HTTPFace
import Synchronization
import Testing

@testable import Rendezvous

@Suite("Views are made seldom")
struct ViewFeedTests {
    private final class Tally: Sendable {
        private let made = Mutex(0)
        func next() -> Int {
            made.withLock {
                $0 += 1
                return $0
            }
        }
    }

    @Test("Many who ask at once get one view with one tag")
    func together() async {
        let (feed, tally) = (ViewFeed(tagPrefix: "run"), Tally())
        let bodies = await withTaskGroup(of: JSONBody?.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    await feed.view("peers") {
                        await Task.yield()
                        return [UInt8(tally.next())]
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(bodies.map { $0?.bytes }) == [[1]])
        #expect(Set(bodies.map { $0?.tag }) == ["run-1"])
    }

    @Test("After a second a view is made anew, under another tag")
    func again() async throws {
        let (feed, tally) = (ViewFeed(tagPrefix: "run"), Tally())
        let first = await feed.view("peers") { [UInt8(tally.next())] }
        var last = first
        while last?.bytes == first?.bytes {
            try await Task.sleep(for: .milliseconds(50))
            last = await feed.view("peers") { [UInt8(tally.next())] }
        }
        #expect(last?.bytes == [2] && last?.tag != first?.tag)
    }

    @Test("One look answers every question, and a question that was answered is not worked on again")
    func questions() async {
        let (feed, looks, writes) = (ViewFeed(tagPrefix: "run"), Tally(), Tally())
        func ask(_ query: String) async -> JSONBody? {
            await feed.overview(
                RequestQuery(query),
                look: {
                    _ = looks.next()
                    return MeshSamples.base(MeshSamples.look(peers: []))
                }, write: { _ in [UInt8(writes.next())] })
        }
        let answers = [await ask("peers_filter=a"), await ask("peers_filter=a"), await ask("peers_filter=b")]
        // A machine that takes longer than a view is good for looks again; it must not look more often than it is asked.
        #expect(looks.next() <= 4)
        #expect(answers[2]?.bytes != answers[0]?.bytes)
        #expect(answers[0]?.tag != answers[1]?.tag || answers[0]?.bytes == answers[1]?.bytes)
    }

    @Test("A server that has stopped has no view")
    func stopped() async {
        let feed = ViewFeed(tagPrefix: "run")
        #expect(await feed.view("peers") { nil } == nil)
        #expect(await feed.overview(RequestQuery(""), look: { nil }, write: { _ in [] }) == nil)
    }
}
