/// A process that tells what its peer knows, in the shapes that people and machines get.
package protocol MeshViews: Sendable {
    func status() async -> StatusView?
    func peers() async -> [PeerView]
    func sources() async -> [SourceView]
}

extension MeshViews {
    /// The body of `/api/v1/NAME`; nil for a name that is no view.
    package func json(_ name: String) async -> [UInt8]? {
        var answer = LocalAnswer(isLast: true)
        switch name {
        case "peers": answer.peers = await peers()
        case "sources": answer.sources = await sources()
        case "status": answer.status = await status()
        default: return nil
        }
        return try? LocalJSON.encode(answer)
    }
}
