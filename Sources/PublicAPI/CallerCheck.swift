#if GRPC
import GRPCCore
import Telemetry

/// Lets callers in by their tokens, before anything of their messages is read.
struct CallerCheck: ServerInterceptor {
    /// Who calls; nil where nobody is asked.
    @TaskLocal static var caller: String?

    let authority: any CallerAuthority
    let metrics: CallMetrics

    func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingServerRequest<Input>, context: ServerContext,
        next:
            @concurrent @Sendable (StreamingServerRequest<Input>, ServerContext) async throws
            -> StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
        let name: String
        do throws(CallerRefusal) {
            name = try await authority.caller(token: Self.token(request.metadata))
        } catch {
            metrics.denied.increment()
            let code: RPCError.Code =
                switch error {
                case .unauthenticated: .unauthenticated
                case .notAllowed: .permissionDenied
                case .unavailable: .unavailable
                }
            throw RPCError(code: code, message: error.description)
        }
        return try await Self.$caller.withValue(name) { try await next(request, context) }
    }

    /// What stands after `Bearer`, in whatever case that is written.
    private static func token(_ metadata: Metadata) -> String? {
        let scheme = "bearer "
        for value in metadata[stringValues: "authorization"] where value.lowercased().hasPrefix(scheme) {
            let token = value.dropFirst(scheme.count).drop { $0 == " " }
            return token.isEmpty ? nil : String(token)
        }
        return nil
    }
}
#endif
