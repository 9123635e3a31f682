import Records

// After the handshake a TCP connection carries requests one way and responses the other, in the order of the requests.
// Integers are little-endian.
//
//     request    offset  0  1 byte   operation: 1 read a chunk
//                        1  3        zero
//                        4  4        request id, chosen by the reader
//                        8  8        chunk
//     response   offset  0  1 byte   status, see LaneStatus
//                        1  3        zero
//                        4  4        request id
//                        8  8        length: bytes of the chunk that follow (0 unless the status is 0)
//
// A source that can't keep the promise of a length closes the connection; bytes are never filled in.

/// How a source answers a request.
enum LaneStatus: UInt8 {
    /// The chunk's bytes follow.
    case bytes = 0
    /// The source doesn't have the chunk yet. The connection goes on.
    case notAvailable = 1
    /// The layout has no such chunk. The connection goes on.
    case outOfRange = 2
    /// The source can't read its storage. The connection ends.
    case sourceFailed = 3
}

struct LaneRequest: Equatable {
    static let size = 16
    private static let readOperation: UInt8 = 1

    let id: UInt32
    let chunk: UInt64
}

extension LaneRequest: WireCodable {
    func encode(to writer: inout WireWriter) {
        writer.write(Self.readOperation)
        writer.append(raw: [0, 0, 0])
        writer.write(id)
        writer.write(chunk)
    }

    init(from reader: inout WireReader) throws(WireError) {
        let operation = try reader.read(UInt8.self, "lane operation")
        guard operation == Self.readOperation else {
            throw .unknownValue(field: "lane operation", value: UInt64(operation))
        }
        guard Array(try reader.readRaw(3, "request padding")) == [0, 0, 0] else {
            throw .malformed(field: "request padding")
        }
        id = try reader.read("request id")
        chunk = try reader.read("requested chunk")
    }
}

struct LaneResponse: Equatable {
    static let size = 16

    let status: LaneStatus
    let id: UInt32
    /// Bytes that follow.
    let length: UInt64
}

extension LaneResponse: WireCodable {
    func encode(to writer: inout WireWriter) {
        writer.write(status.rawValue)
        writer.append(raw: [0, 0, 0])
        writer.write(id)
        writer.write(length)
    }

    init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.read(UInt8.self, "lane status")
        guard let status = LaneStatus(rawValue: raw) else {
            throw .unknownValue(field: "lane status", value: UInt64(raw))
        }
        guard Array(try reader.readRaw(3, "response padding")) == [0, 0, 0] else {
            throw .malformed(field: "response padding")
        }
        self.status = status
        id = try reader.read("response id")
        length = try reader.read("response length")
    }
}
