import EventThread
import Telemetry
import Testing
import ZeroMQ

/// How long a test waits for what must happen.
let patience: UInt64 = 20_000_000_000

/// A thread with a context and a loop, for sockets that live as long as the test.
///
/// `@unchecked Sendable`: `loop` and `sockets` are touched inside `perform` only, hence on the thread.
final class Rig: @unchecked Sendable {
    let thread: EventThread
    let context: ZeroMQContext
    /// Asks for the outcome, since each question would wake `thread` and so hide a wake-up that it lost.
    private let watcher: EventThread
    private var loop: ZeroMQLoop?
    private(set) var sockets: [ZeroMQSocket] = []

    init() async throws {
        thread = try EventThread(name: "zeromq-test")
        context = try ZeroMQContext()
        watcher = try EventThread(name: "watcher")
        try thread.run()
        try watcher.run()
        try await perform { rig in rig.loop = ZeroMQLoop(thread: rig.thread) }
    }

    /// Closes all, and shows that nothing hangs.
    func close() {
        thread.post {
            self.loop?.removeAll()
            for socket in self.sockets { socket.close() }
        }
        thread.stop()
        watcher.stop()
        context.terminate()
    }

    func perform<T: Sendable>(_ work: @escaping @Sendable (Rig) throws -> T) async throws -> T {
        try await thread.perform { try work(self) }
    }

    /// A socket, on the thread.
    func socket(_ kind: ZeroMQSocketKind, _ options: ZeroMQSocketOptions = ZeroMQSocketOptions()) throws -> ZeroMQSocket
    {
        let socket = try ZeroMQSocket(context: context, kind: kind, options: options)
        sockets.append(socket)
        return socket
    }

    /// The loop, on the thread.
    func running() throws -> ZeroMQLoop { try #require(loop) }

    /// Waits until `condition`, asked on another thread each millisecond, holds; false when patience ended first.
    func wait(until condition: @escaping @Sendable () -> Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            let deadline = MonotonicClock.now() + patience
            watcher.post { self.ask(condition, deadline) { continuation.resume(returning: $0) } }
        }
    }

    /// Binds the first socket again once its port is free; false when patience ended first.
    func bindAgain(_ endpoint: String) async -> Bool {
        let isBound = Guarded(false)
        return await wait {
            self.thread.post {
                guard !isBound.withLock({ $0 }), (try? self.sockets[0].bind(endpoint)) != nil else { return }
                isBound.withLock { $0 = true }
            }
            return isBound.withLock { $0 }
        }
    }

    private func ask(_ condition: @escaping () -> Bool, _ deadline: UInt64, _ done: @escaping (Bool) -> Void) {
        if condition() { return done(true) }
        if MonotonicClock.now() > deadline { return done(false) }
        watcher.schedule(after: 1_000_000) { self.ask(condition, deadline, done) }
    }
}

/// Something a handler adds to and a test reads.
final class Record<Element: Sendable>: Sendable {
    private let elements = Guarded([Element]())

    func append(_ element: Element) { elements.withLock { $0.append(element) } }

    var all: [Element] { elements.withLock { $0 } }
}

/// A key pair of one side.
struct Identity: Sendable {
    let publicKey: [UInt8]
    let secretKey: [UInt8]

    init() { (publicKey, secretKey) = CurveKeys.generate() }

    /// Options of a socket that others reach by this key.
    var serverOptions: ZeroMQSocketOptions {
        var options = ZeroMQSocketOptions()
        options.curve = .server(secretKey: secretKey)
        options.zapDomain = "mesh"
        return options
    }

    /// Options of a socket that connects to `server` as this identity.
    func clientOptions(server: [UInt8]) -> ZeroMQSocketOptions {
        var options = ZeroMQSocketOptions()
        options.curve = .client(serverKey: server, publicKey: publicKey, secretKey: secretKey)
        return options
    }
}

/// An endpoint as bind returns it, for connecting from this machine.
func local(_ endpoint: String) -> String {
    "tcp://127.0.0.1:\(endpoint.split(separator: ":").last ?? "")"
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
