/// What stands at a path.
enum Route: Hashable, Sendable {
    case index
    case health
    case readiness
    case metrics
    case json(name: String, query: String)

    init?(path: String, query: String = "") {
        switch path {
        case "/": self = .index
        case "/healthz": self = .health
        case "/readyz": self = .readiness
        case "/metrics": self = .metrics
        default:
            guard path.hasPrefix(Self.jsonPrefix) else { return nil }
            let name = String(path.dropFirst(Self.jsonPrefix.count))
            guard (HTTPFace.jsonNames + HTTPFace.pageNames).contains(name) else { return nil }
            self = .json(name: name, query: query)
        }
    }

    static let jsonPrefix = "/api/v1/"

    /// Asks for little, so it must not wait behind what is large.
    var isProbe: Bool { self == .health || self == .readiness || self == .index }
}

/// Answers requests from the content.
struct Routes: Sendable {
    let content: HTTPFace.Content

    /// What a request leads to.
    enum Plan {
        case answer(Response)
        /// It has to be made from the content.
        case make(Route)
    }

    func plan(_ request: Request) -> Plan {
        let file = content.files[request.path]
        guard let route = Route(path: request.path, query: request.query), file == nil else {
            if let file { return .answer(request.method == .other ? Self.wrongMethod : file.response) }
            let path = request.path.prefix(HTTPLimits.echoedPath)
            return .answer(.error(.notFound, "there is nothing at \(path); / lists what there is"))
        }
        return request.method == .other ? .answer(Self.wrongMethod) : .make(route)
    }

    private static let wrongMethod = Response.error(.methodNotAllowed, "only GET and HEAD work here")

    func answer(_ route: Route) async -> Response {
        switch route {
        case .index: return Response(status: .fine, type: .text, body: Array(Self.index.utf8))
        case .health: return Self.state(await content.state().word, .fine)
        case .readiness:
            let state = await content.state()
            return Self.state(state.word, state.isReady ? .fine : .unavailable)
        case .metrics: return Response(status: .fine, type: .metrics, body: Array(await content.metrics().utf8))
        case .json(let name, let query):
            guard let body = await content.json(name, RequestQuery(query)) else {
                return .error(.notFound, "this process has no \(name)")
            }
            return Response(status: .fine, type: .json, body: body.bytes, tag: body.tag)
        }
    }

    /// For an answer that wasn't made in time. The process lives all the same.
    static func late(_ route: Route) -> Response {
        switch route {
        case .health: state("unknown", .fine)
        case .readiness: state("unknown", .unavailable)
        default: .error(.unavailable, "the answer was not made in time; try again later")
        }
    }

    private static func state(_ word: String, _ status: Response.Status) -> Response {
        .json(status, "{\"state\":\(JSONText.quoted(word))}")
    }

    private static let index =
        """
        ModelExpress
        /healthz         200 while the process lives
        /readyz          200 when it can do its work, else 503
        /metrics         Prometheus metrics
        \(HTTPFace.jsonNames.map { "\(Route.jsonPrefix)\($0)" }.joined(separator: "\n"))

        """
}
