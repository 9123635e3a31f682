import Configuration
import LocalAPI

/// Ends a program with a code of `ExitCodes` and a sentence on standard error.
package struct ExitError: Error, Hashable, CustomStringConvertible {
    package var code: Int
    package var message: String

    package init(code: Int, message: String) {
        self.code = code
        self.message = message
    }

    /// What another room's error means for a program's end. Errors that nobody here knows end with `ExitCodes.failed`.
    package init(_ error: any Error) {
        self = (error as? ExitError) ?? ExitError(code: Self.code(of: error), message: "\(error)")
    }

    /// As standard error shows it; the message may hold what others wrote.
    package var description: String { "error: \(TerminalText.escaped(message))" }

    private static func code(of error: any Error) -> Int {
        switch error {
        case let error as ConfigurationError: code(of: error)
        case is LocalClientError: ExitCodes.unreachable
        case let error as HTTPQueryError: code(of: error)
        case LocalServerError.inUse: ExitCodes.refused
        default: ExitCodes.failed
        }
    }

    private static func code(of error: ConfigurationError) -> Int {
        switch error {
        case .invalid: ExitCodes.usage
        case .noToken: ExitCodes.notFound
        case .exists, .exposed, .locked, .otherCluster: ExitCodes.refused
        case .unreadable, .unwritable, .malformed: ExitCodes.failed
        }
    }

    private static func code(of error: HTTPQueryError) -> Int {
        switch error {
        case .notEncrypted, .notAnAddress: ExitCodes.usage
        case .unreachable, .insecure, .silent, .tooLarge, .badAnswer, .status: ExitCodes.unreachable
        }
    }
}
