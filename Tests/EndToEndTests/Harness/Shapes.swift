import FoundationEssentials

/// The parts of the programs' JSON that tests look at. Written down here again on purpose: they are what outsiders hold.
struct JobEvent: Decodable, Sendable {
    let event: String
    var model: String?
    var revision: String?
    var manifest: String?
    var bytes: UInt64?
    var totalBytes: UInt64?
    var chunks: Int?
    var totalChunks: Int?
    var source: SourceTally?
    var sources: [SourceTally]?
    var message: String?
    var exitCode: Int?
    var integrity: String?
    var bootstrap: String?
}

struct SourceTally: Decodable, Sendable {
    let peer: String
    let name: String
    let lane: String
    let bytes: UInt64
    let chunks: Int
    let failures: Int
    let note: String
}

struct PeerShape: Decodable, Sendable {
    let peer: String
    let name: String
    let roles: [String]
    let isNeighbour: Bool
    let isSelf: Bool
}

struct SourceShape: Decodable, Sendable {
    let model: String
    let name: String
    let state: String
    let coverage: Double
    let bytes: UInt64
    let lanes: [String]
}

struct StatusShape: Decodable, Sendable {
    let program: String
    let state: String
    let peer: String
    let name: String
    let address: String
    let bootstrapPort: UInt16
    let controlPort: UInt16
    let gossipPort: UInt16
    let dataPort: UInt16
    let neighbours: Int
    let peers: Int
    let bytesServed: UInt64
    let bytesReceived: UInt64
    var store: String?
}

enum JSON {
    static func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(text.utf8))
    }
}
