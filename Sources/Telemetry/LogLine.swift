/// One line before it is written.
///
/// Names and reasons come from other peers, so what they hold may never look like a line, a field or an end of either:
/// control characters, line separators and marks that turn the direction of text are escaped, and values are cut.
struct LogLine {
    /// The most Unicode scalars of a value that are written.
    static let maximumValueLength = 2048

    var time: String
    var level: LogLevel
    var program: String
    var component: String
    var message: String
    var fields: [Log.Field]

    func rendered(_ format: LogFormat) -> String {
        switch format {
        case .text: text()
        case .json: json()
        }
    }

    private func text() -> String {
        var line = "\(time) \(level) \(Self.escaped(component)): \(Self.escaped(message))"
        for (key, value) in fields {
            line += " \(Self.escaped(key))=\(Self.textValue(value.description))"
        }
        return line
    }

    private func json() -> String {
        var line = "{\"time\":\"\(time)\",\"level\":\"\(level)\""
        if !program.isEmpty { line += ",\"program\":\"\(Self.escaped(program))\"" }
        line += ",\"component\":\"\(Self.escaped(component))\",\"message\":\"\(Self.escaped(message))\""
        for (key, value) in fields {
            line += ",\"\(Self.escaped(key))\":\(Self.jsonValue(value))"
        }
        return line + "}"
    }

    private static func jsonValue(_ value: any CustomStringConvertible) -> String {
        if value is any BinaryInteger || value is Bool { return value.description }
        return "\"\(escaped(value.description))\""
    }

    /// Bare when it can't be mistaken for anything else, otherwise quoted.
    private static func textValue(_ value: String) -> String {
        let isPlain = value.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII && scalar.value > 0x20 && scalar.value < 0x7F && !["\"", "=", "\\"].contains(scalar)
        }
        let bare = isPlain && !value.isEmpty && value.utf8.count <= maximumValueLength
        return bare ? value : "\"\(escaped(value))\""
    }

    /// The inside of a quoted string: JSON's escapes, which are text's as well.
    private static func escaped(_ value: String) -> String {
        var result = ""
        var length = 0
        for scalar in value.unicodeScalars {
            guard length < maximumValueLength else { return result + "…" }
            length += 1
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if misleads(scalar) { result += escapeSequence(scalar) } else { result.unicodeScalars.append(scalar) }
            }
        }
        return result
    }

    private static func misleads(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F: true  // control characters
        case 0x2028, 0x2029: true  // line and paragraph separators
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true  // direction of text
        default: false
        }
    }

    /// All that mislead lie in the basic plane, so four digits do.
    private static func escapeSequence(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
