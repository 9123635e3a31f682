/// How much a line matters, from least to most.
package enum LogLevel: UInt8, CaseIterable, Comparable, Sendable, CustomStringConvertible {
    /// Every step, for one engineer at one fault.
    case trace
    /// What happened, for engineers.
    case debug
    /// What an operator expects to read.
    case info
    /// Rare and still normal.
    case notice
    /// Something went wrong that the program deals with.
    case warning
    /// Something a user asked for failed.
    case error
    /// The program can't go on.
    case critical

    /// The level of a name such as `warning`, in any case; nil for other words.
    package init?(name: String) {
        guard let level = Self.allCases.first(where: { $0.description == name.lowercased() }) else { return nil }
        self = level
    }

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }

    package var description: String {
        switch self {
        case .trace: "trace"
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .error: "error"
        case .critical: "critical"
        }
    }
}

/// What a log line looks like.
package enum LogFormat: String, CaseIterable, Sendable {
    /// `2026-01-31T12:00:00.000Z info mesh: neighbour lost peer.id=4f1c reason="no answer"`
    case text
    /// One JSON object a line.
    case json
}

/// Writes log lines of one component to standard error.
///
/// The message is the same text each time, and what differs goes into fields, in the order given, under dotted keys. Never
/// log a secret. Fields are computed only when the level is on. Any thread; a call blocks while standard error does.
package struct Log: Sendable {
    /// An ordered key and its value. Integers and truth values stay what they are in JSON, all else becomes text.
    package typealias Field = (String, any CustomStringConvertible)

    private let component: String
    private let output: LogOutput

    /// - Parameter component: the room or part that speaks, such as `mesh`.
    package init(component: String) {
        self.init(component: component, output: .process)
    }

    /// A log that doesn't go where the process's goes.
    package init(component: String, output: LogOutput) {
        self.component = component
        self.output = output
    }

    /// Sets how this process logs. To be called once, when the program starts; before that, `info` and text hold.
    package static func configure(level: LogLevel, format: LogFormat, program: String) {
        LogOutput.process.configure(level: level, format: format, program: program)
    }

    /// Whether lines of this level are written.
    package func isEnabled(_ level: LogLevel) -> Bool { output.isEnabled(level) }

    /// Writes one line when `level` is on.
    package func log(_ level: LogLevel, _ message: String, _ fields: @autoclosure () -> [Field] = []) {
        guard output.isEnabled(level) else { return }
        output.write(level: level, component: component, message: message, fields: fields())
    }

    /// Writes a line of level trace.
    package func trace(_ message: String, _ fields: @autoclosure () -> [Field] = []) { log(.trace, message, fields()) }

    /// Writes a line of level debug.
    package func debug(_ message: String, _ fields: @autoclosure () -> [Field] = []) { log(.debug, message, fields()) }

    /// Writes a line of level info.
    package func info(_ message: String, _ fields: @autoclosure () -> [Field] = []) { log(.info, message, fields()) }

    /// Writes a line of level notice.
    package func notice(_ message: String, _ fields: @autoclosure () -> [Field] = []) {
        log(.notice, message, fields())
    }

    /// Writes a line of level warning.
    package func warning(_ message: String, _ fields: @autoclosure () -> [Field] = []) {
        log(.warning, message, fields())
    }

    /// Writes a line of level error.
    package func error(_ message: String, _ fields: @autoclosure () -> [Field] = []) { log(.error, message, fields()) }

    /// Writes a line of level critical.
    package func critical(_ message: String, _ fields: @autoclosure () -> [Field] = []) {
        log(.critical, message, fields())
    }
}
