import Glibc
import Telemetry

/// Where a program's text goes.
package protocol TextSink: Sendable {
    /// Writes now; nothing is kept back. Any thread.
    func write(_ text: String)
}

/// A process's standard output and standard error.
package struct StandardText: TextSink {
    package static let output = StandardText(descriptor: STDOUT_FILENO)
    package static let error = StandardText(descriptor: STDERR_FILENO)

    let descriptor: Int32

    package func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EAGAIN {
                // Somebody made the terminal non-blocking.
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&entry, 1, -1)
            } else if errno != EINTR {
                // Nobody reads: there is nobody to tell.
                return
            }
        }
    }
}

/// Keeps what was written, for tests and for composing.
package final class TextBuffer: TextSink {
    private let content = Guarded("")

    package init() {}

    package var text: String { content.withLock { $0 } }

    package func write(_ text: String) { content.withLock { $0 += text } }
}
