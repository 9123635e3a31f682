import Mesh
import PeerLogic
import Records

/// Tells now and then where a peer's neighbours can be asked, for a cache that outlives the process.
package enum NeighbourWatch {
    /// How often it looks, nanoseconds.
    private static let period: UInt64 = 10 * Duration64.second

    /// Runs until its task is cancelled or the peer stops.
    ///
    /// - Parameter changed: gets `host:port` of the neighbours' bootstrap ports, in order, when there are some and they changed.
    package static func run(_ host: PeerHost, changed: @Sendable ([String]) -> Void) async {
        var last: [String] = []
        while !Task.isCancelled {
            try? await Task.sleep(nanoseconds: period)
            guard let addresses = try? await host.query(addresses) else { return }
            guard !addresses.isEmpty, addresses != last else { continue }
            last = addresses
            changed(addresses)
        }
    }

    private static func addresses(_ logic: PeerLogic) -> [String] {
        logic.mesh.knownPeers.filter(logic.mesh.isNeighbour).compactMap { peer in
            guard let endpoints = logic.mesh.peerRecord(of: peer)?.endpoints, endpoints.bootstrapPort != 0 else {
                return nil
            }
            let host = endpoints.host.contains(":") ? "[\(endpoints.host)]" : endpoints.host
            return "\(host):\(endpoints.bootstrapPort)"
        }
    }
}
