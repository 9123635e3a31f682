import Records

/// Whole safetensors files in memory, as fuzzing needs them.
enum SafetensorsFile {
    static func parse(_ file: [UInt8]) throws(SafetensorsError) -> SafetensorsHeader {
        let prefix = Array(file.prefix(SafetensorsHeader.prefixSize))
        let size = try SafetensorsHeader.headerSize(ofPrefix: prefix, fileSize: UInt64(file.count))
        let rest = file.dropFirst(SafetensorsHeader.prefixSize)
        return try SafetensorsHeader.parse(header: Array(rest.prefix(Int(size))), dataSize: UInt64(rest.count) - size)
    }

    /// A file with this header and data of zeros.
    static func encode(_ header: SafetensorsHeader) -> [UInt8] {
        var members = header.tensors.map { tensor in
            "\(quote(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":\(tensor.shape),"
                + "\"data_offsets\":[\(tensor.begin),\(tensor.end)]}"
        }
        if !header.metadata.isEmpty {
            let notes = header.metadata.map { "\(quote($0.key)):\(quote($0.value))" }
            members.append("\"__metadata__\":{\(notes.joined(separator: ","))}")
        }
        return file(json: "{\(members.joined(separator: ","))}", dataSize: Int(header.tensors.last?.end ?? 0))
    }

    static func file(json: String, dataSize: Int) -> [UInt8] {
        var writer = WireWriter()
        writer.write(UInt64(json.utf8.count))
        writer.append(raw: Array(json.utf8))
        return writer.bytes + [UInt8](repeating: 0, count: dataSize)
    }

    private static func quote(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
