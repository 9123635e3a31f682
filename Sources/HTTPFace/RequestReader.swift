/// Takes requests out of a connection's bytes, however they are cut. Holds at most its bound and one piece.
///
/// Strict where leniency lets two parties read one stream differently: lines end in CR LF, names and lengths are as RFC 9112
/// says, nothing is folded. A body is never read: the request that has one is the connection's last.
struct RequestReader {
    private let maximumBytes: Int
    private var buffer: [UInt8] = []
    private var lineStart = 0
    private var scanned = 0
    private var head: RequestHead?

    /// - Parameter maximumBytes: of a request line with its headers, and of a body.
    init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    /// Bytes of a request that isn't complete, or of the next ones.
    var isEmpty: Bool { buffer.isEmpty }

    mutating func append(_ bytes: ArraySlice<UInt8>) { buffer.append(contentsOf: bytes) }

    /// The next request; nil until more bytes have come. After an error, the stream makes no sense any more.
    mutating func next() throws(RequestRefusal) -> Request? {
        while let line = try nextLine() {
            // Empty lines before a request line are an old client's habit, and bounded like the rest.
            if line.isEmpty && head == nil { continue }
            guard !line.isEmpty else { return try finish() }
            if head == nil {
                head = try RequestHead(line: line)
            } else {
                try head?.addHeader(line: line)
            }
        }
        return nil
    }

    private mutating func finish() throws(RequestRefusal) -> Request? {
        let request = try head?.request(maximumBodyBytes: maximumBytes)
        head = nil
        buffer.removeFirst(scanned)
        (lineStart, scanned) = (0, 0)
        return request
    }

    /// The next whole line without its end.
    private mutating func nextLine() throws(RequestRefusal) -> ArraySlice<UInt8>? {
        guard let end = buffer[scanned...].firstIndex(of: UInt8(ascii: "\n")) else {
            scanned = buffer.count
            try checkSize()
            return nil
        }
        scanned = end + 1
        try checkSize()
        guard end > lineStart, buffer[end - 1] == UInt8(ascii: "\r") else {
            throw .malformed("a line doesn't end in CR LF")
        }
        let line = buffer[lineStart..<end - 1]
        lineStart = scanned
        return line
    }

    private func checkSize() throws(RequestRefusal) {
        if head == nil && scanned - lineStart > HTTPLimits.requestLineBytes { throw .lineTooLong }
        if scanned > maximumBytes { throw .headTooLarge }
    }
}
