import FoundationEssentials

/// The one way in which this room's shapes become JSON and back: snake_case names in sorted order, nothing escaped that needs
/// no escape, one object a line.
package enum LocalJSON {
    /// One line, without its end.
    ///
    /// - Throws: for a number that JSON can't hold (infinite or not a number).
    package static func encode(_ value: some Encodable) throws(LocalJSONError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw LocalJSONError(reason: "a value has no form in JSON: \(Self.reason(error))")
        }
    }

    /// As `encode`, as text.
    package static func text(_ value: some Encodable) throws(LocalJSONError) -> String {
        String(decoding: try encode(value), as: UTF8.self)
    }

    /// Reads one object. Members it doesn't know are passed over.
    package static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: some Collection<UInt8>
    ) throws(LocalJSONError) -> Value {
        // The decoder would repair broken UTF-8 in places.
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw LocalJSONError(reason: "it is not UTF-8")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: Data(bytes))
        } catch {
            throw LocalJSONError(reason: reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\"\(path(context.codingPath))\" has another type than it should"
        case DecodingError.dataCorrupted: "it is not valid JSON"
        case EncodingError.invalidValue(_, let context): "\"\(path(context.codingPath))\""
        default: "it is not what was expected"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String { keys.map(\.stringValue).joined(separator: ".") }
}

/// Bytes that are not the JSON they should be, or a value that can't become JSON.
package struct LocalJSONError: Error, Hashable, CustomStringConvertible {
    package var reason: String

    package var description: String { reason }
}
