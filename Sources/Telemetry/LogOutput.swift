import Glibc
import Synchronization

/// Where log lines go, and from which level on.
package final class LogOutput: Sendable {
    /// The process's own: standard error, set by `Log.configure`.
    package static let process = LogOutput(descriptor: STDERR_FILENO)

    private struct Style {
        var format = LogFormat.text
        var program = ""
    }

    private let descriptor: Int32
    // Apart from the rest, so that a level that is off costs no lock.
    private let level = Atomic<UInt8>(LogLevel.info.rawValue)
    private let style = Guarded(Style())

    /// - Parameter descriptor: where to write; it stays the caller's.
    package init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Holds for every line written afterwards.
    package func configure(level: LogLevel, format: LogFormat, program: String) {
        self.level.store(level.rawValue, ordering: .relaxed)
        style.withLock { $0 = Style(format: format, program: program) }
    }

    func isEnabled(_ level: LogLevel) -> Bool { level.rawValue >= self.level.load(ordering: .relaxed) }

    /// One write(2) a line, so that lines of several threads and processes don't mix.
    func write(level: LogLevel, component: String, message: String, fields: [Log.Field]) {
        let (format, program) = style.withLock { ($0.format, $0.program) }
        let line = LogLine(
            time: LogTime.now(), level: level, program: program, component: component, message: message, fields: fields)
        var bytes = Array(line.rendered(format).utf8)
        bytes.append(UInt8(ascii: "\n"))
        writeOnce(bytes)
    }

    private func writeOnce(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { buffer in
            // A log that can't be written has nobody to tell: a short or failed write is let go.
            while Glibc.write(descriptor, buffer.baseAddress, buffer.count) < 0 && errno == EINTR {}
        }
    }
}

/// Wall time as log lines show it.
enum LogTime {
    /// Now in UTC with milliseconds, as in RFC 3339.
    static func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return rendered(seconds: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
    }

    static func rendered(seconds: Int, milliseconds: Int) -> String {
        var moment = time_t(seconds)
        var parts = tm()
        gmtime_r(&moment, &parts)
        let date = "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let clock = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(clock).\(padded(Int32(milliseconds), 3))Z"
    }

    private static func padded(_ number: Int32, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
