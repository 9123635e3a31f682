/// Why a scenario can't be run; says where the fault is and what is allowed there.
package enum ScenarioError: Error, Hashable, Sendable {
    case unreadable(path: String, reason: String)
    case notYAML(path: String, reason: String)
    case missing(place: ScenarioPlace, key: String)
    case unknownKey(place: ScenarioPlace, allowed: [String])
    case invalid(place: ScenarioPlace, value: String, expected: String)
}

/// A key of a scenario file.
package struct ScenarioPlace: Hashable, Sendable, CustomStringConvertible {
    package var path: String
    /// 0 where it isn't known.
    package var line: Int
    /// Names of keys and indices from the top, with dots between them; empty for the whole file.
    package var key: String

    package var description: String {
        let position = line > 0 ? "\(path):\(line)" : path
        return key.isEmpty ? position : "\(position): \(key)"
    }
}

extension ScenarioError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "can't read the scenario \(path): \(reason)"
        case .notYAML(let path, let reason): "\(path) is not YAML: \(reason)"
        case .missing(let place, let key): "\(place): \"\(key)\" is missing"
        case .unknownKey(let place, let allowed):
            "\(place) is not known there; allowed: \(allowed.joined(separator: ", "))"
        case .invalid(let place, let value, let expected): "\(place) is \"\(value)\"; expected \(expected)"
        }
    }
}
