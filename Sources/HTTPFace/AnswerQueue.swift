import EventThread

/// Makes answers in tasks, so many at once; the others wait in order.
///
/// A task counts until it has really ended, also when nobody waits for it any more: content that hangs can't pile up.
///
/// `@unchecked Sendable` holds since the state is confined to the face's thread: methods are called there only (which
/// `assertOnThread` checks), and a task goes back there with its answer.
final class AnswerQueue: @unchecked Sendable {
    private struct Entry {
        let connection: Connection
        let route: Route
    }

    private let thread: EventThread
    private let routes: Routes
    private let capacity: Int
    private var running = 0
    /// Each connection is here once at most, so their bound holds here, too.
    private var waiting: [Entry] = []

    init(thread: EventThread, routes: Routes, capacity: Int) {
        self.thread = thread
        self.routes = routes
        self.capacity = capacity
    }

    /// Gives the answer to the connection, later.
    func ask(_ route: Route, for connection: Connection) {
        thread.assertOnThread()
        waiting.append(Entry(connection: connection, route: route))
        startNext()
    }

    /// The connection doesn't wait any more.
    func withdraw(_ connection: Connection) {
        thread.assertOnThread()
        waiting.removeAll { $0.connection === connection }
    }

    private func startNext() {
        guard running < capacity, !waiting.isEmpty else { return }
        let entry = waiting.removeFirst()
        running += 1
        let (connection, route, turn) = (entry.connection, entry.route, entry.connection.turn)
        let task = Task { [routes, thread] in
            let answer = await routes.answer(route)
            // Refused only when the thread has stopped: the mailbox holds more than all tasks together can post.
            thread.post { self.finished(answer, connection: connection, turn: turn) }
        }
        connection.isBeingAnswered(by: task)
    }

    private func finished(_ answer: Response, connection: Connection, turn: UInt64) {
        running -= 1
        connection.take(answer, turn: turn)
        startNext()
    }
}
