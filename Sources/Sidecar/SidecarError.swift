import Checkpoint
import LocalAPI
import PeerLogic

/// Why a sidecar or one of its jobs failed, with the exit code of a program that ends for it.
package struct SidecarError: Error, Sendable, CustomStringConvertible {
    package let description: String
    package let exitCode: Int
    /// Whether trying again can't help: our own token lacks a role.
    package let isFinal: Bool

    package init(_ description: String, exitCode: Int = ExitCodes.failed, isFinal: Bool = false) {
        self.description = description
        self.exitCode = exitCode
        self.isFinal = isFinal
    }

    init(_ error: CheckpointError) {
        let code =
            switch error {
            case .notFound: ExitCodes.notFound
            case .destinationNotEmpty, .unsafeName, .stagingInUse, .stagingNotOurs, .escapingLink: ExitCodes.refused
            default: ExitCodes.failed
            }
        self.init("\(error)", exitCode: code)
    }

    init(_ failure: PullFailure) {
        let code =
            switch failure {
            case .notFound, .coldStart: ExitCodes.notFound
            case .unreachable: ExitCodes.unreachable
            case .refused, .notBelieved: ExitCodes.refused
            case .destination, .transfer, .cancelled: ExitCodes.failed
            }
        let isFinal = if case .refused = failure { true } else { false }
        self.init("\(failure)", exitCode: code, isFinal: isFinal)
    }
}
