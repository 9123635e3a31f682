/// Reads one HTTP/1.1 answer from pieces as they come. It knows no sockets: `more` adds the next piece to what it is given and
/// says false at the end.
package struct HTTPAnswer {
    package enum Malformed: Error, Hashable {
        case tooLarge
        case malformed(String)
    }

    enum Body: Hashable {
        case length(Int)
        case chunked
        /// To the end of the stream.
        case rest
    }

    package typealias More<Failure: Error> = (inout [UInt8]) throws(Failure) -> Bool

    private let limit: Int
    private var buffer: [UInt8] = []
    private var position = 0

    /// - Parameter limit: the most bytes of a body.
    package init(limit: Int) { self.limit = limit }

    /// - Throws: `Malformed`, or what `more` throws.
    package mutating func read<Failure: Error>(_ more: More<Failure>) throws -> (status: Int, body: [UInt8]) {
        let (status, body) = try readHead(more)
        switch body {
        case .length(let count): return (status, try take(count, more))
        case .chunked: return (status, try readChunks(more))
        case .rest: return (status, try readRest(more))
        }
    }

    private mutating func readHead<Failure: Error>(_ more: More<Failure>) throws -> (Int, Body) {
        let first = try line(more, left: LocalLimits.httpHead)
        let words = first.split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), words[1].count == 3, let status = Int(words[1]) else {
            throw Malformed.malformed("it does not speak HTTP/1.1")
        }
        var body: Body?
        while true {
            let header = try line(more, left: LocalLimits.httpHead - position)
            if header.isEmpty { return (status, body ?? .rest) }
            if let found = try Self.framing(header) { body = body == .chunked ? .chunked : found }
        }
    }

    /// What a header says of the body's length; nil for all others.
    private static func framing(_ header: String) throws(Malformed) -> Body? {
        guard let colon = header.firstIndex(of: ":") else { throw .malformed("a header is broken") }
        let value = header[header.index(after: colon)...].filter { $0 != " " && $0 != "\t" }.lowercased()
        switch header[..<colon].lowercased() {
        case "transfer-encoding":
            guard value == "chunked" else { throw .malformed("the transfer encoding is unknown") }
            return .chunked
        case "content-length":
            guard let count = Int(value), count >= 0 else { throw .malformed("the length is no number") }
            return .length(count)
        default: return nil
        }
    }

    private mutating func readChunks<Failure: Error>(_ more: More<Failure>) throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let size = try line(more, left: LocalLimits.httpHead).prefix { $0 != ";" }.filter { $0 != " " }
            guard let count = Int(size, radix: 16), count >= 0 else { throw Malformed.malformed("a chunk is broken") }
            if count == 0 { return body }
            guard count <= limit - body.count else { throw Malformed.tooLarge }
            body += try take(count, more)
            guard try line(more, left: LocalLimits.httpHead).isEmpty else {
                throw Malformed.malformed("a chunk is broken")
            }
            buffer.removeFirst(position)
            position = 0
        }
    }

    private mutating func readRest<Failure: Error>(_ more: More<Failure>) throws -> [UInt8] {
        repeat {
            guard buffer.count - position <= limit else { throw Malformed.tooLarge }
        } while try more(&buffer)
        return Array(buffer[position...])
    }

    private mutating func take<Failure: Error>(_ count: Int, _ more: More<Failure>) throws -> [UInt8] {
        guard count <= limit else { throw Malformed.tooLarge }
        while buffer.count - position < count {
            guard try more(&buffer) else { throw Malformed.malformed("it ended early") }
        }
        defer { position += count }
        return Array(buffer[position..<position + count])
    }

    /// A line without its end.
    private mutating func line<Failure: Error>(_ more: More<Failure>, left: Int) throws -> String {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                guard end - position <= left else { throw Malformed.malformed("its headers are too long") }
                var text = buffer[position..<end]
                if text.last == UInt8(ascii: "\r") { text.removeLast() }
                position = end + 1
                return String(decoding: text, as: UTF8.self)
            }
            searched = buffer.count
            guard searched - position <= left else { throw Malformed.malformed("its headers are too long") }
            guard try more(&buffer) else { throw Malformed.malformed("it ended early") }
        }
    }
}
