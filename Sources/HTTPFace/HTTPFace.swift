import EventThread

/// A process's health, readiness, metrics and JSON over HTTP/1.1, GET and HEAD.
///
/// One thread of its own moves the bytes; answers are made in tasks. Built for hostile networks: connections, request sizes,
/// times, answers being made and answers not taken are bounded (`Configuration`, `HTTPLimits`).
package final class HTTPFace: Sendable {
    /// What `/api/v1/NAME` takes at every process.
    package static let jsonNames = ["peers", "sources", "status"]
    /// What it takes besides where there is a page to show it.
    package static let pageNames = ["overview"]

    /// Where it listens.
    package let port: UInt16
    private let thread: EventThread
    private let table: ConnectionTable

    private init(port: UInt16, thread: EventThread, table: ConnectionTable) {
        self.port = port
        self.thread = thread
        self.table = table
    }

    deinit { thread.post { [thread, table] in Self.end(thread, table) } }

    /// Listens and answers from now on, until `stop()`.
    package static func start(
        _ configuration: Configuration, content: Content
    ) async throws(HTTPFaceError) -> HTTPFace {
        let listener = try ListeningSocket(address: configuration.address, port: configuration.port)
        do throws(EventThreadError) {
            let thread = try EventThread(name: "http")
            try thread.run()
            let table = ConnectionTable(
                thread: thread, listener: listener, configuration: configuration, content: content)
            thread.post { table.open() }
            return HTTPFace(port: listener.port, thread: thread, table: table)
        } catch {
            listener.close()
            throw .failed(address: configuration.address, port: configuration.port, reason: "\(error)")
        }
    }

    /// Ends every connection and gives the port back. Again does nothing.
    package func stop() async {
        // It fails only when the thread has stopped, and then all is done.
        try? await thread.perform { [thread, table] in Self.end(thread, table) }
    }

    private static func end(_ thread: EventThread, _ table: ConnectionTable) {
        table.close()
        // On the thread itself this returns at once; the thread ends after it.
        thread.stop()
    }
}
