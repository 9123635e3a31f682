import CZeroMQ
import Glibc

/// A call into ZeroMQ that failed: what, on which endpoint, and what to do about it.
package struct ZeroMQError: Error, CustomStringConvertible, Equatable {
    /// What was attempted, such as `bind`.
    package var operation: String
    /// The endpoint or the option it was about; empty when there is none.
    package var subject: String
    /// ZeroMQ's errno.
    package var code: Int32

    /// Another program, or another socket of this one, holds the port.
    package var isAddressInUse: Bool { code == EADDRINUSE }
    /// The context was terminated: the program is stopping.
    package var isTerminated: Bool { code == ZeroMQError.terminated }

    package var description: String {
        let reason = String(cString: zmq_strerror(code))
        let about = subject.isEmpty ? operation : "\(operation) \(subject)"
        return advice.isEmpty ? "\(about): \(reason)" : "\(about): \(reason); \(advice)"
    }

    static let terminated = CZeroMQ.ETERM

    private var advice: String {
        switch code {
        case EADDRINUSE:
            "port in use: choose another with this program's port settings, or stop the program that holds it"
        case EADDRNOTAVAIL, ENODEV: "this machine has no such address: bind to * or to an address of its own"
        case EACCES: "ports below 1024 and some folders need rights that this program lacks: choose another endpoint"
        case EINVAL where !subject.isEmpty: "write endpoints as tcp://HOST:PORT, with [] around an IPv6 address"
        case EMFILE, ENFILE: "raise this process's limit of open files"
        case ENOENT: "nothing is bound there"
        case Self.terminated: "this program is stopping"
        default: ""
        }
    }

    /// The error of the call that just failed on this thread.
    static func last(_ operation: String, _ subject: String = "") -> ZeroMQError {
        ZeroMQError(operation: operation, subject: subject, code: zmq_errno())
    }
}
