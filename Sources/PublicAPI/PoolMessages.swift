#if GRPC
package import EnginePool
import SwiftProtobuf

extension ModelExpress_P2p_SourceIdentity {
    var engineIdentity: EngineIdentity {
        var identity = EngineIdentity()
        identity.sourceType = mxSourceType.rawValue
        identity.framework = backendFramework.rawValue
        identity.clientVersion = mxVersion
        identity.model = modelName
        identity.tensorParallel = tensorParallelSize
        identity.pipelineParallel = pipelineParallelSize
        identity.expertParallel = expertParallelSize
        identity.dtype = dtype
        identity.quantization = quantization
        identity.revision = revision
        identity.extraParameters = extraParameters
        identity.frameworkVersion = backendFrameworkVersion
        identity.torchVersion = torchVersion
        identity.cudaVersion = cudaVersion
        identity.tritonVersion = tritonVersion
        identity.gpuArchitecture = gpuArch
        identity.compileDigest = compileConfigDigest
        return identity
    }
}

/// What was published and its bytes, as the pool keeps them: the request itself, so that nothing of it is lost.
package enum PublishedBody {
    /// Tensors that stand in both places are kept in one.
    static func bytes(of request: ModelExpress_P2p_PublishMetadataRequest) throws -> [UInt8] {
        var kept = request
        if case .tensorSource(let source)? = request.worker.sourcePayload, source.tensors == request.worker.tensors {
            kept.worker.tensors = []
        }
        return try kept.serializedBytes()
    }

    /// What a listing tells of it; nil for bytes that are no such request.
    package static func publication(of body: [UInt8]) -> Publication? {
        guard let request = try? ModelExpress_P2p_PublishMetadataRequest(serializedBytes: body) else { return nil }
        return publication(of: request, body: body)
    }

    static func publication(of request: ModelExpress_P2p_PublishMetadataRequest, body: [UInt8]) -> Publication {
        let parameters = request.identity.extraParameters
        return Publication(
            model: request.identity.modelName, accelerator: request.worker.accelerator,
            topology: request.worker.topology, trainingStep: Publication.trainingStep(of: parameters),
            layoutSignature: parameters["layout_signature"], body: body)
    }

    /// The worker and its identity as a client gets them: tensors in both places, since clients differ in which they read, unless
    /// no client could take a message so long.
    static func restored(
        _ entry: PoolEntry, _ state: PoolState, limit: Int
    ) throws -> ModelExpress_P2p_PublishMetadataRequest {
        var request = try ModelExpress_P2p_PublishMetadataRequest(serializedBytes: entry.publication.body)
        request.worker.status = ModelExpress_P2p_SourceStatus(rawValue: state.status) ?? .unknown
        request.worker.updatedAt = state.updatedAt
        // Names and sizes take the same room again in the other place; what else there is fits into the margin.
        guard entry.publication.body.count <= limit / 2 - margin else { return request }
        if case .tensorSource(let source)? = request.worker.sourcePayload {
            if request.worker.tensors.isEmpty { request.worker.tensors = source.tensors }
        } else if request.worker.sourcePayload == nil, !request.worker.tensors.isEmpty {
            request.worker.tensorSource.tensors = request.worker.tensors
        }
        return request
    }

    private static let margin = 64 << 10
}

extension ModelExpress_P2p_SourceInstanceRef {
    init(_ listing: PoolListing) {
        self.init()
        mxSourceID = listing.key.source
        workerID = listing.key.worker
        modelName = listing.publication.model
        workerRank = listing.key.rank
        accelerator = listing.publication.accelerator
        updatedAt = listing.state.updatedAt
        topology = listing.publication.topology
        if let step = listing.publication.trainingStep { trainingStep = step }
        if let signature = listing.publication.layoutSignature { layoutSignature = signature }
        if let load = listing.state.load { sourceLoad = load }
    }
}

extension PoolFilter {
    init(_ request: ModelExpress_P2p_ListSourcesRequest) {
        self.init()
        if request.hasIdentity, !request.identity.modelName.isEmpty {
            source = request.identity.engineIdentity.sourceID
        }
        // A status that nobody here knows filters nothing.
        if request.hasStatusFilter { status = PoolStatus(rawValue: request.statusFilter.rawValue) }
        if request.hasModelNameFilter { model = request.modelNameFilter }
        if request.hasWorkerRankFilter { rank = request.workerRankFilter }
        if request.hasMinTrainingStep { trainingStep = request.minTrainingStep }
        if request.hasMinUpdatedAt { updatedAt = request.minUpdatedAt }
        if request.hasLimit { limit = request.limit }
    }
}
#endif
