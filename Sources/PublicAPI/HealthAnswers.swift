#if GRPC
import GRPCCore
import Synchronization

/// What the health service says, to those who ask and to those who watch.
package final class HealthBoard: Sendable {
    private struct Watchers: Sendable {
        var isServing = true
        var next = 0
        var streams: [Int: AsyncStream<Bool>.Continuation] = [:]
    }

    private let limit: Int
    private let watchers = Mutex(Watchers())

    package init(limit: Int) { self.limit = limit }

    var isServing: Bool { watchers.withLock { $0.isServing } }

    /// Tells all that the server leaves.
    package func stopServing() {
        let streams = watchers.withLock { watchers in
            watchers.isServing = false
            defer { watchers.streams = [:] }
            return Array(watchers.streams.values)
        }
        for stream in streams {
            stream.yield(false)
            stream.finish()
        }
    }

    /// The state now and each that follows; nil when as many watch as may.
    func watch() -> AsyncStream<Bool>? {
        let (stream, continuation) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(2))
        let number = watchers.withLock { watchers -> Int? in
            guard watchers.streams.count < limit else { return nil }
            watchers.next += 1
            watchers.streams[watchers.next] = continuation
            continuation.yield(watchers.isServing)
            return watchers.next
        }
        guard let number else { return nil }
        continuation.onTermination = { [weak self] _ in
            _ = self?.watchers.withLock { $0.streams.removeValue(forKey: number) }
        }
        return stream
    }
}

/// `grpc.health.v1.Health`. Nobody is asked who he is: probes have no token.
struct HealthAnswers: Grpc_Health_V1_Health.SimpleServiceProtocol {
    let board: HealthBoard

    private static let services: Set<String> = ["", "model_express.p2p.P2pService", "grpc.health.v1.Health"]

    func check(
        request: Grpc_Health_V1_HealthCheckRequest, context: ServerContext
    ) async throws -> Grpc_Health_V1_HealthCheckResponse {
        guard Self.services.contains(request.service) else {
            throw RPCError(code: .notFound, message: "there is no such service here")
        }
        return Self.response(board.isServing)
    }

    func watch(
        request: Grpc_Health_V1_HealthCheckRequest, response: RPCWriter<Grpc_Health_V1_HealthCheckResponse>,
        context: ServerContext
    ) async throws {
        guard let states = board.watch() else {
            throw RPCError(code: .resourceExhausted, message: "as many watch as may; ask with Check")
        }
        let isKnown = Self.services.contains(request.service)
        for await isServing in states {
            var message = Self.response(isServing)
            if !isKnown { message.status = .serviceUnknown }
            try await response.write(message)
        }
    }

    private static func response(_ isServing: Bool) -> Grpc_Health_V1_HealthCheckResponse {
        var response = Grpc_Health_V1_HealthCheckResponse()
        response.status = isServing ? .serving : .notServing
        return response
    }
}
#endif
