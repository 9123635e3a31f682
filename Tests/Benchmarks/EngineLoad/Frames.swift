/// HTTP/2 frames and protobuf fields, as many as the load needs: written by hand, so that the load costs next to nothing beside the
/// server that it measures.
enum Frames {
    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
    }

    static let headerLength = 9
    static let endStream: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let acknowledge: UInt8 = 1
    static let largestWindow = 0x7FFF_FFFF

    static func append(_ kind: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8], to output: inout [UInt8]) {
        let length = payload.count
        output += [UInt8(length >> 16 & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), kind, flags]
        output += big(stream)
        output += payload
    }

    static func big(_ number: UInt32) -> [UInt8] {
        [UInt8(number >> 24), UInt8(number >> 16 & 0xFF), UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF)]
    }

    /// Preface, windows as wide as can be, and nothing pushed.
    static var opening: [UInt8] {
        var output = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        append(
            Kind.settings, flags: 0, stream: 0, [0, 4] + big(UInt32(largestWindow)) + [0, 2, 0, 0, 0, 0], to: &output)
        append(Kind.windowUpdate, flags: 0, stream: 0, big(UInt32(largestWindow - 65_535)), to: &output)
        return output
    }

    /// The headers of a connection's first call, which put path, authority, content type and `te` into the table of headers.
    static func firstHeaders(path: String) -> [UInt8] {
        func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + text.utf8 }
        return [0x83, 0x86, 0x44] + text(path) + [0x41] + text("load") + [0x5F] + text("application/grpc") + [0x40]
            + text("te") + text("trailers")
    }

    /// Those of all later calls, which name what the table holds, as gRPC's own clients do.
    static let laterHeaders: [UInt8] = [0x83, 0x86, 0xC1, 0xC0, 0xBF, 0xBE]
}

enum Protobuf {
    static func text(_ field: UInt8, _ value: some StringProtocol) -> [UInt8] { bytes(field, Array(value.utf8)) }

    static func bytes(_ field: UInt8, _ value: [UInt8]) -> [UInt8] { [field << 3 | 2] + varint(value.count) + value }

    static func number(_ field: UInt8, _ value: Int) -> [UInt8] { value == 0 ? [] : [field << 3] + varint(value) }

    /// As gRPC sends it: uncompressed, with its length before it.
    static func message(_ payload: [UInt8]) -> [UInt8] { [0] + Frames.big(UInt32(payload.count)) + payload }

    private static func varint(_ value: Int) -> [UInt8] {
        var (rest, output) = (UInt64(value), [UInt8]())
        while rest > 127 {
            output.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return output + [UInt8(rest)]
    }
}
