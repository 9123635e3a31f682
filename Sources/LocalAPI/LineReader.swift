import Glibc

/// Takes lines off a stream socket, each no longer than a limit. Used by one thread.
struct LineReader {
    enum Failure: Error, Hashable {
        case tooLong
        /// The stream ended within a line.
        case torn
        case timedOut
        /// errno.
        case failed(Int32)
    }

    private let descriptor: Int32
    private let limit: Int
    private var buffer: [UInt8] = []
    /// How much of `buffer` is known to hold no line's end.
    private var searched = 0

    /// - Parameter limit: the most bytes of a line, its end not counted.
    init(descriptor: Int32, limit: Int) {
        self.descriptor = descriptor
        self.limit = limit
    }

    /// The next line without its end; nil at the end of the stream.
    mutating func next(until deadline: UInt64?) throws(Failure) -> [UInt8]? {
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                guard end <= limit else { throw .tooLong }
                let line = Array(buffer[..<end])
                buffer.removeFirst(end + 1)
                searched = 0
                return line
            }
            searched = buffer.count
            guard searched <= limit else { throw .tooLong }
            guard try fill(until: deadline) else {
                guard buffer.isEmpty else { throw .torn }
                return nil
            }
        }
    }

    private mutating func fill(until deadline: UInt64?) throws(Failure) -> Bool {
        do throws(SocketIO.Failure) {
            return try SocketIO.receive(into: &buffer, from: descriptor, until: deadline)
        } catch {
            switch error {
            case .timedOut: throw .timedOut
            // Who closes with our line unread ends the stream that way.
            case .failed(ECONNRESET): return false
            case .failed(let code): throw .failed(code)
            }
        }
    }
}
