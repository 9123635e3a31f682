#if GRPC
import EnginePool
import GRPCCore
import Telemetry

/// The P2pService of public servers: what fails in the application is said in the answer, and the call succeeds. Only who may not
/// call, and what nobody knows, is an error of the call.
struct P2pAnswers: ModelExpress_P2p_P2pService.SimpleServiceProtocol {
    let port: any EnginePort
    let limits: PublicAPILimits
    let metrics: CallMetrics

    func publishMetadata(
        request: ModelExpress_P2p_PublishMetadataRequest, context: ServerContext
    ) async throws -> ModelExpress_P2p_PublishMetadataResponse {
        metrics.publish.increment()
        var response = ModelExpress_P2p_PublishMetadataResponse()
        if let problem = Self.problem(of: request) {
            response.message = problem
            return response
        }
        let key = PoolKey(
            source: request.identity.engineIdentity.sourceID, worker: request.workerID, rank: request.worker.workerRank)
        do {
            let body = try PublishedBody.bytes(of: request)
            try port.publish(
                key, PublishedBody.publication(of: request, body: body), status: request.worker.status.rawValue,
                updatedAt: request.worker.updatedAt, caller: CallerCheck.caller)
        } catch let refusal as PoolRefusal {
            if case .notOwner = refusal { throw RPCError(code: .permissionDenied, message: refusal.description) }
            metrics.refused.increment()
            response.message = "Failed to publish metadata: \(refusal)"
            return response
        }
        response.success = true
        response.mxSourceID = key.source
        response.workerID = key.worker
        response.message =
            "Published metadata for '\(request.identity.modelName)' (source_id=\(key.source), worker_id=\(key.worker), "
            + "worker_rank=\(key.rank), \(Self.tensorCount(request.worker)) tensors)"
        return response
    }

    private static func problem(of request: ModelExpress_P2p_PublishMetadataRequest) -> String? {
        if !request.hasIdentity { return "identity is required" }
        if request.identity.modelName.isEmpty { return "identity.model_name is required" }
        if request.workerID.isEmpty { return "worker_id is required" }
        return request.hasWorker ? nil : "worker is required"
    }

    private static func tensorCount(_ worker: ModelExpress_P2p_WorkerMetadata) -> Int {
        if case .tensorSource(let source)? = worker.sourcePayload { return source.tensors.count }
        return worker.tensors.count
    }

    func listSources(
        request: ModelExpress_P2p_ListSourcesRequest, context: ServerContext
    ) async throws -> ModelExpress_P2p_ListSourcesResponse {
        metrics.list.increment()
        var response = ModelExpress_P2p_ListSourcesResponse()
        do throws(PoolUnread) {
            let found = try await port.list(PoolFilter(request))
            response.instances = found.map(ModelExpress_P2p_SourceInstanceRef.init)
        } catch {
            throw unread
        }
        return response
    }

    func getMetadata(
        request: ModelExpress_P2p_GetMetadataRequest, context: ServerContext
    ) async throws -> ModelExpress_P2p_GetMetadataResponse {
        metrics.get.increment()
        var response = ModelExpress_P2p_GetMetadataResponse()
        guard !request.mxSourceID.isEmpty, !request.workerID.isEmpty else { return response }
        response.mxSourceID = request.mxSourceID
        response.workerID = request.workerID
        let found: (entry: PoolEntry, state: PoolState)?
        do throws(PoolUnread) {
            found = try await port.metadata(source: request.mxSourceID, worker: request.workerID)
        } catch {
            throw unread
        }
        guard let found else { return response }
        let published = try PublishedBody.restored(found.entry, found.state, limit: limits.messageBytes)
        response.found = true
        response.worker = published.worker
        response.identity = published.identity
        return response
    }

    func updateStatus(
        request: ModelExpress_P2p_UpdateStatusRequest, context: ServerContext
    ) async throws -> ModelExpress_P2p_UpdateStatusResponse {
        metrics.update.increment()
        var response = ModelExpress_P2p_UpdateStatusResponse()
        if request.mxSourceID.isEmpty {
            response.message = "mx_source_id is required"
        } else if request.workerID.isEmpty {
            response.message = "worker_id is required"
        } else if let status = PoolStatus(rawValue: request.status.rawValue) {
            let key = PoolKey(source: request.mxSourceID, worker: request.workerID, rank: request.workerRank)
            do throws(PoolRefusal) {
                try await port.update(
                    key, status: status, load: request.hasSourceLoad ? request.sourceLoad : nil,
                    caller: CallerCheck.caller)
                response.success = true
            } catch {
                if case .notOwner = error { throw RPCError(code: .permissionDenied, message: error.description) }
                metrics.refused.increment()
                response.message = "Failed to update status: update_status: \(error)"
            }
        } else {
            response.message = "invalid status value: \(request.status.rawValue)"
        }
        return response
    }

    /// Clients go on without a source, or try again; an empty answer would tell them that there is none.
    private var unread: RPCError {
        metrics.unread.increment()
        return RPCError(
            code: .unavailable, message: "Redis can't be asked, and what isn't known here may stand there: try again")
    }
}

/// How often each call came.
struct CallMetrics: Sendable {
    let publish: Counter
    let list: Counter
    let get: Counter
    let update: Counter
    let refused: Counter
    let unread: Counter
    let denied: Counter

    init(_ metrics: Metrics) {
        func calls(_ method: String) -> Counter {
            metrics.counter("modelexpress_grpc_calls_total", help: "Calls by method.", labels: [("method", method)])
        }
        publish = calls("PublishMetadata")
        list = calls("ListSources")
        get = calls("GetMetadata")
        update = calls("UpdateStatus")
        refused = metrics.counter(
            "modelexpress_grpc_refused_total", help: "Calls answered with success=false for a reason of the pool.")
        unread = metrics.counter(
            "modelexpress_grpc_unavailable_total", help: "Calls answered with UNAVAILABLE since Redis can't be asked.")
        denied = metrics.counter(
            "modelexpress_grpc_denied_total", help: "Calls of callers that may not, or whose token can't be checked.")
    }
}
#endif
