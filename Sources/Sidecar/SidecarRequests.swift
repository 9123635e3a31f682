package import LocalAPI
import PeerLogic
import Records
import Telemetry
import Transfer

/// Answers the command line on a sidecar's local socket: views, and jobs for the daemon.
package struct SidecarRequests: LocalRequestHandler {
    private let sidecar: SidecarProcess

    package init(_ sidecar: SidecarProcess) { self.sidecar = sidecar }

    package func handle(_ request: LocalRequest, reply: LocalReply) {
        let sidecar = self.sidecar
        switch request.request {
        case "status": answer(reply) { $0.status = AwaitBridge.wait { await sidecar.status() } }
        case "peers": answer(reply) { $0.peers = AwaitBridge.wait { await sidecar.peers() } }
        case "sources": answer(reply) { $0.sources = AwaitBridge.wait { await sidecar.sources() } }
        case "metrics": answer(reply) { $0.metrics = Metrics.shared.exposition() }
        case "serve": serve(request, reply)
        case "pull": pull(request, reply)
        case "withdraw": withdraw(request, reply)
        case let other: reply.fail("\"\(other)\" is no request of a sidecar", exitCode: ExitCodes.usage)
        }
    }

    private func answer(_ reply: LocalReply, _ fill: (inout LocalAnswer) -> Void) {
        var answer = LocalAnswer(isLast: true)
        fill(&answer)
        reply.send(answer)
    }

    private func serve(_ request: LocalRequest, _ reply: LocalReply) {
        guard let path = request.path else { return missing("path", reply) }
        let sidecar = self.sidecar
        run(reply) { emit in
            try await sidecar.serve(path: path, name: request.model, revision: request.revision, emit: emit)
        }
    }

    private func pull(_ request: LocalRequest, _ reply: LocalReply) {
        guard let model = request.model else { return missing("model", reply) }
        guard let path = request.path else { return missing("path", reply) }
        var options = PullOptions()
        options.wait = request.waitSeconds.map { UInt64(max(0, min($0, 1e6)) * 1e9) }
        if let word = request.lane {
            guard let lane = LaneKind(word: word) else {
                reply.fail("\"\(word)\" is no lane; use shm, ucx, verbs or tcp", exitCode: ExitCodes.usage)
                return
            }
            options.lane = lane
        }
        let (sidecar, chosen) = (self.sidecar, options)
        run(reply) { emit in
            let wanted = WantedModel(model: model, revision: request.revision)
            try await sidecar.pull(wanted, to: .folder(path), options: chosen, emit: emit)
        }
    }

    private func withdraw(_ request: LocalRequest, _ reply: LocalReply) {
        guard let model = request.model else { return missing("model", reply) }
        guard sidecar.withdraw(model: model) > 0 else {
            reply.fail("this sidecar serves no \"\(model)\"", exitCode: ExitCodes.notFound)
            return
        }
        answer(reply) { _ in }
    }

    /// Runs a job whose events are lines of the answer; a client that leaves cancels it.
    private func run(
        _ reply: LocalReply, _ job: @escaping @Sendable (@escaping @Sendable (JobEvent) -> Void) async throws -> Void
    ) {
        let isClientGone = { reply.isClientGone }
        let failure: SidecarError? = AwaitBridge.wait(isCancelled: isClientGone) {
            do {
                try await job { event in
                    var answer = LocalAnswer(isLast: false)
                    answer.job = event
                    reply.send(answer)
                }
                return nil
            } catch {
                return error as? SidecarError ?? SidecarError("\(error)")
            }
        }
        guard let failure else { return answer(reply) { $0.exitCode = ExitCodes.done } }
        reply.fail(failure.description, exitCode: failure.exitCode)
    }

    private func missing(_ field: String, _ reply: LocalReply) {
        reply.fail("the request has no \(field)", exitCode: ExitCodes.usage)
    }
}
