import Glibc

/// The system had no thread or descriptor left for us.
package struct EventThreadError: Error, CustomStringConvertible, Equatable {
    /// What could not be made.
    package var what: String
    /// The name of the thread it was for.
    package var thread: String
    /// errno.
    package var code: Int32

    package var description: String {
        "can't make \(what) for thread \(thread): \(String(cString: strerror(code))); "
            + "raise this process's limits of threads and open files"
    }
}

/// Work was handed to a thread that has stopped, or stopped before the work's turn came.
package struct EventThreadStopped: Error, CustomStringConvertible, Equatable {
    /// The name of the thread.
    package var thread: String

    package var description: String { "thread \(thread) has stopped; the work was not done" }
}

/// Work was handed to a thread that is too far behind.
package struct EventThreadMailboxFull: Error, CustomStringConvertible, Equatable {
    /// The name of the thread.
    package var thread: String

    package var description: String {
        "thread \(thread) has \(EventThread.mailboxCapacity) pieces of work waiting; try again later"
    }
}
