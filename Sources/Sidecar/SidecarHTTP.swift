package import Configuration
package import HTTPFace
import LocalAPI
import Telemetry

/// What a sidecar says over HTTP: health, metrics, and the views that the command line gets.
extension SidecarProcess {
    package static let defaultHTTPPort = 8016

    /// Starts the HTTP face. The default port may be taken by another sidecar of the host: then there is a warning and no face.
    /// A port that was asked for must be free.
    ///
    /// - Parameter flag: the port as the command line names it; nil leaves it to `MX_HTTP_PORT`.
    package func startHTTP(flag: Int?, environment: Environment) async throws(SidecarError) -> HTTPFace? {
        let asked = flag.map(String.init) ?? environment["MX_HTTP_PORT"]
        guard let port = UInt16(asked ?? String(Self.defaultHTTPPort)) else {
            throw SidecarError("--http-port (MX_HTTP_PORT) is \"\(asked ?? "")\"; expected a port number, 0 to 65535")
        }
        let configuration = HTTPFace.Configuration(address: settings.peer.bind, port: port)
        do throws(HTTPFaceError) {
            return try await HTTPFace.start(configuration, content: httpContent())
        } catch {
            guard asked == nil else { throw SidecarError("\(error)") }
            Log(component: "sidecar").warning("no HTTP: health and metrics are not served", [("reason", "\(error)")])
            return nil
        }
    }

    private func httpContent() -> HTTPFace.Content {
        HTTPFace.Content(
            state: {
                // A sidecar that lost the mesh still serves whoever reads from it, so it never counts as not ready.
                let neighbours = await self.status()?.neighbours ?? 0
                // An engine that started with dummy weights answers before it has its own.
                guard !self.engines.isFillingProcessed else { return ("filling", false) }
                return (neighbours > 0 ? "ok" : "joining", true)
            },
            metrics: { Metrics.shared.exposition() },
            json: { name, _ in await self.json(name).map { JSONBody($0) } })
    }
}
