package import LocalAPI
import Telemetry

/// Answers the command line on a server's local socket.
package struct RendezvousRequests: LocalRequestHandler {
    private let server: RendezvousProcess

    package init(_ server: RendezvousProcess) { self.server = server }

    package func handle(_ request: LocalRequest, reply: LocalReply) {
        let server = self.server
        var answer = LocalAnswer(isLast: true)
        switch request.request {
        case "status": answer.status = AwaitBridge.wait { await server.status() }
        case "peers": answer.peers = AwaitBridge.wait { await server.peers() }
        case "sources": answer.sources = AwaitBridge.wait { await server.sources() }
        case "metrics": answer.metrics = Metrics.shared.exposition()
        case let other:
            reply.fail("a server does not answer \"\(other)\"; ask a sidecar", exitCode: ExitCodes.usage)
            return
        }
        reply.send(answer)
    }
}
