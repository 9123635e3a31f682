/// JSON in the one form that is hashed: no spaces, keys in the order of their bytes, nothing escaped that needn't be.
enum CanonicalJSON {
    indirect enum Value {
        case number(Int)
        case text(String)
        case object([(String, Value)])
    }

    static func write(_ value: Value) -> [UInt8] {
        var output: [UInt8] = []
        append(value, to: &output)
        return output
    }

    private static func append(_ value: Value, to output: inout [UInt8]) {
        switch value {
        case .number(let number): output += String(number).utf8
        case .text(let text): append(text, to: &output)
        case .object(let fields):
            output.append(UInt8(ascii: "{"))
            let ordered = fields.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
            for (position, field) in ordered.enumerated() {
                if position > 0 { output.append(UInt8(ascii: ",")) }
                append(field.0, to: &output)
                output.append(UInt8(ascii: ":"))
                append(field.1, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private static func append(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): output += "\\\"".utf8
            case UInt8(ascii: "\\"): output += "\\\\".utf8
            case 0x08: output += "\\b".utf8
            case 0x09: output += "\\t".utf8
            case 0x0A: output += "\\n".utf8
            case 0x0C: output += "\\f".utf8
            case 0x0D: output += "\\r".utf8
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                output += "\\u00\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
