import EventThread
import FoundationEssentials
import Glibc
import Telemetry
package import ZeroMQ

/// The two sockets to one worker. Questions run one after the other on a thread of their own, each for a bounded time.
package final class EngineConnection: Sendable {
    /// What only the thread touches.
    private final class Sockets {
        let socket: ZeroMQSocket
        let stream: EngineStream
        var lastID: UInt64 = 0

        init(socket: ZeroMQSocket, stream: EngineStream) {
            self.socket = socket
            self.stream = stream
        }
    }

    /// Questions that may wait: whoever asks waits for the answer, so there are few.
    private static let queue = 16

    package let path: String
    private let pool: WorkerPool
    // Made before anybody else can reach it, then used on the pool's one thread alone.
    nonisolated(unsafe) private let sockets: Sockets

    /// - Parameter path: of the worker's ZeroMQ socket; the one that passes memory lies beside it.
    package init(context: ZeroMQContext, path: String) throws(EngineError) {
        self.path = path
        let stream = try EngineStream(path: EngineSockets.streamPath(of: path))
        do {
            var options = ZeroMQSocketOptions()
            options.maximumMessageSize = EngineLimits.messageSize
            let socket = try ZeroMQSocket(context: context, kind: .dealer, options: options)
            try socket.connect("ipc://\(path)")
            sockets = Sockets(socket: socket, stream: stream)
            pool = try WorkerPool(name: "engine", threads: 1, capacity: Self.queue)
        } catch {
            throw .system("\(error)")
        }
    }

    /// Ends the thread. Never call it from a task.
    package func close() {
        pool.submit { [self] in sockets.socket.close() }
        pool.stop()
    }

    // MARK: Questions

    /// How the worker does.
    package func hello() async throws(EngineError) -> EngineHello {
        try await ask(.hello, as: EngineHello.self)
    }

    package func describe(generation: String) async throws(EngineError) -> EngineDescription {
        let described = try await ask(
            .describe, generation: generation, limit: EngineLimits.description, as: EngineDescribed.self)
        return try EngineDescription(described.description, record: described.record)
    }

    /// The worker's memory; the caller owns the descriptor.
    package func arena(generation: String) async throws(EngineError) -> (descriptor: Int32, number: Int, size: UInt64) {
        try await onThread { (sockets) throws(EngineError) in try sockets.stream.arena(generation: generation) }
    }

    /// Both have the arena mapped: the worker seals it.
    package func mapped(arena: Int, generation: String) async throws(EngineError) {
        try await tell(.mapped, generation) { $0.arena = arena }
    }

    /// The arena holds verified weights. `record` is given back to a sidecar that starts anew.
    package func filled(_ reason: String, record: String, generation: String) async throws(EngineError) {
        try await tell(.filled, generation) {
            $0.reason = reason
            $0.record = record
        }
    }

    /// The weights have to come from disk.
    package func disk(_ reason: String, generation: String) async throws(EngineError) {
        try await tell(.disk, generation) { $0.reason = reason }
    }

    /// The engine may work on its weights: they are digested, and nobody reads them.
    package func proceed(record: String, generation: String) async throws(EngineError) {
        try await tell(.proceed, generation) { $0.record = record }
    }

    /// Nobody is given the worker's weights any more.
    package func withdrawn(generation: String) async throws(EngineError) { try await tell(.withdrawn, generation) }

    /// Whether the worker's process is there. Doesn't ask it.
    package func isAlive() async -> Bool {
        (try? await onThread { (sockets) throws(EngineError) in sockets.stream.isOpen }) ?? false
    }

    // MARK: Inside

    private struct Nothing: Decodable {}

    private func tell(
        _ name: EngineRequest.Name, _ generation: String, _ fill: (inout EngineRequest) -> Void = { _ in }
    ) async throws(EngineError) {
        _ = try await ask(name, generation: generation, as: Nothing.self, fill)
    }

    private func ask<Answer: Decodable & Sendable>(
        _ name: EngineRequest.Name, generation: String? = nil, limit: UInt64 = EngineLimits.answer,
        as type: Answer.Type, _ fill: (inout EngineRequest) -> Void = { _ in }
    ) async throws(EngineError) -> Answer {
        var request = EngineRequest(id: 0, request: name)
        request.generation = generation
        fill(&request)
        let (name, generation, reason, record, arena) = (
            request.request, request.generation, request.reason, request.record, request.arena
        )
        return try await onThread { (sockets) throws(EngineError) in
            sockets.lastID += 1
            let numbered = EngineRequest(
                id: sockets.lastID, request: name, generation: generation, reason: reason, record: record, arena: arena)
            return try Self.exchange(numbered, sockets, until: MonotonicClock.now() + limit)
        }
    }

    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable (Sockets) throws(EngineError) -> Value
    ) async throws(EngineError) -> Value {
        let outcome: Result<Value, EngineError> = await withCheckedContinuation { continuation in
            let isQueued = pool.submit { [self] in
                do throws(EngineError) {
                    continuation.resume(returning: .success(try body(sockets)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            if !isQueued { continuation.resume(returning: .failure(.system("the connection is closed"))) }
        }
        return try outcome.get()
    }

    private static func exchange<Answer: Decodable>(
        _ request: EngineRequest, _ sockets: Sockets, until deadline: UInt64
    ) throws(EngineError) -> Answer {
        do {
            let bytes = [UInt8](try JSONEncoder().encode(request))
            while try !sockets.socket.send([bytes]) { try wait(sockets.socket, until: deadline) }
            while true {
                guard let message = try sockets.socket.receive() else {
                    guard sockets.stream.isOpen else { throw EngineError.gone }
                    try wait(sockets.socket, until: deadline)
                    continue
                }
                let data = Data(message.frames.last ?? [])
                guard let answer = try? JSONDecoder().decode(EngineAnswer.self, from: data) else {
                    throw EngineError.malformed("no answer")
                }
                // One that came too late for its question.
                guard answer.id == request.id else { continue }
                guard answer.ok else { throw EngineError.refused(answer.error ?? "without a reason") }
                guard answer.protocol == EngineLimits.protocolVersion else {
                    throw EngineError.malformed("messages of version \(answer.protocol)")
                }
                do {
                    return try JSONDecoder().decode(Answer.self, from: data)
                } catch {
                    throw EngineError.malformed("an answer to \(request.request.rawValue) that is none")
                }
            }
        } catch let error as EngineError {
            throw error
        } catch {
            throw .system("\(error)")
        }
    }

    /// Waits for libzmq's descriptor, and looks every now and then all the same: it tells of a change once only.
    private static func wait(_ socket: ZeroMQSocket, until deadline: UInt64) throws(EngineError) {
        let now = MonotonicClock.now()
        guard now < deadline else { throw .silent }
        var entry = pollfd(fd: socket.fileDescriptor, events: Int16(POLLIN), revents: 0)
        poll(&entry, 1, Int32(min(20, (deadline - now) / 1_000_000 + 1)))
    }
}
