import ArgumentParser
import LocalAPI
import Testing

@testable import CommandLine

/// Answers every question with a table of one peer, in two lines.
private struct OnePeer: LocalRequestHandler {
    static let peer = PeerView(
        peer: "4f1c", name: "a", zone: "", address: "h", bootstrapPort: 1, roles: [], isNeighbour: false, isSelf: true,
        slotsInUse: 0, slots: 1, bytesServed: 0, bytesReceived: 0, validForSeconds: 1)

    func handle(_ request: LocalRequest, reply: LocalReply) {
        guard request.request == "peers" else {
            reply.fail("refused", exitCode: ExitCodes.refused)
            return
        }
        for isLast in [false, true] {
            var answer = LocalAnswer(isLast: isLast)
            answer.peers = [Self.peer]
            reply.send(answer)
        }
    }
}

struct QueryTests {
    @Test("A question is answered by the peer of the state folder, all its lines together")
    func local() async throws {
        let folder = try TemporaryFolder()
        try await BlockingThread.run {
            let server = try LocalServer(path: "\(folder.path)/sidecar.sock", handler: OnePeer())
            defer { server.stop() }
            let query = try QueryOptions.parse(["--state-dir", folder.path])
            #expect(try query.ask("peers").peers == [OnePeer.peer, OnePeer.peer])
            let error = #expect(throws: ExitError.self) { try query.ask("sources") }
            #expect(error == ExitError(code: ExitCodes.refused, message: "refused"))
        }
    }
}
