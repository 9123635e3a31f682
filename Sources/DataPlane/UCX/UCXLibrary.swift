import CUCX

/// UCX, loaded when the first who asks for it comes.
///
/// It isn't linked: a process that doesn't ask starts without it, and keeps its own signals and memory calls, which UCX takes
/// over as it loads.
enum UCXLibrary {
    private static let loaded: Result<String, RDMAError> = {
        let failure = mx_ucx_load(
            { operation, status in
                guard let operation else { return }
                Unmanaged<UCXOperation>.fromOpaque(operation).takeRetainedValue().end(status)
            },
            { owner, status in
                guard let owner else { return }
                Unmanaged<UCXPath>.fromOpaque(owner).takeUnretainedValue().fail(status)
            })
        if let failure { return .failure(.noUCX(String(cString: failure))) }
        return .success(mx_ucx_version().map { String(cString: $0) } ?? "?")
    }()

    /// Loads it, and tells its version.
    static func load() throws(RDMAError) -> String { try loaded.get() }

    /// For people.
    static func text(_ status: Int32) -> String {
        mx_ucx_status(status).map { String(cString: $0) } ?? "status \(status)"
    }
}
