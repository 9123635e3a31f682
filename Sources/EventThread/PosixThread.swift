import CLinux
import Glibc

/// A thread of ours, which may block.
struct PosixThread: Sendable {
    /// The longest name the kernel keeps.
    static let maximumNameLength = 15

    /// Signals that say something about the thread itself; all others are left to the thread that waits for them.
    private static let synchronousSignals = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT]

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private let handle: pthread_t

    /// Starts `body` on a new thread; throws errno.
    static func start(name: String, body: @escaping @Sendable () -> Void) throws(EventThreadError) -> PosixThread {
        var everything = sigset_t()
        sigfillset(&everything)
        for signal in synchronousSignals { sigdelset(&everything, signal) }
        var previous = sigset_t()
        // A new thread inherits the mask; set here, no signal can slip in between.
        pthread_sigmask(SIG_SETMASK, &everything, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }

        let start = Unmanaged.passRetained(Start(name: String(name.prefix(maximumNameLength)), body: body))
        var handle = pthread_t()
        let status = pthread_create(&handle, nil, { PosixThread.main($0) }, start.toOpaque())
        guard status == 0 else {
            // The thread that would have released it was not made.
            start.release()
            throw EventThreadError(what: "a thread", thread: name, code: status)
        }
        return PosixThread(handle: handle)
    }

    private static func main(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        _ = mx_set_thread_name(start.name)
        start.body()
        return nil
    }

    /// Whether the caller runs on this thread.
    var isCurrent: Bool { pthread_equal(handle, pthread_self()) != 0 }

    /// Waits for its end; once, and not on the thread itself.
    func join() { pthread_join(handle, nil) }

    /// Says that nobody will wait for its end.
    func detach() { pthread_detach(handle) }
}
