/// A setting, file or key that can't be used, and what to do about it.
package enum ConfigurationError: Error, Hashable, Sendable {
    case unreadable(path: String, reason: String)
    case unwritable(path: String, reason: String)
    /// The file exists and would be lost.
    case exists(path: String, advice: String)
    case malformed(path: String, what: String)
    /// Somebody else writes it, and doesn't come to an end.
    case locked(path: String)
    /// A file of another cluster than the one beside it.
    case otherCluster(path: String)
    case exposed(path: String, mode: String)
    case noToken(path: String)
    case invalid(setting: String, value: String, expected: String)
}

extension ConfigurationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "can't read \(path): \(reason)"
        case .unwritable(let path, let reason): "can't write \(path): \(reason)"
        case .exists(let path, let advice): "\(path) exists already; \(advice)"
        case .malformed(let path, let what): "\(path) is not \(what), or is damaged"
        case .locked(let path): "another program writes \(path) and doesn't come to an end; try again"
        case .otherCluster(let path): "\(path) belongs to another cluster"
        case .exposed(let path, let mode):
            "\(path) can be read by others (mode \(mode)); make it private with `chmod 600 \(path)`"
        case .noToken(let path):
            "there is no join token at \(path); make one with `modelexpress keys init` and `modelexpress keys token`, "
                + "or name one with --token or MX_TOKEN_FILE"
        case .invalid(let setting, let value, let expected): "\(setting) is \"\(value)\"; expected \(expected)"
        }
    }
}
