import Glibc

/// What the calls of a load came to.
struct Tally {
    var answered = 0
    var failed = 0
    /// Bytes of answers, with all that belongs to them.
    var bytes = 0
    /// Nanoseconds from a call's last byte to its answer's end.
    var latencies: [UInt64] = []
}

/// One connection with a number of calls under way at once; each answer is followed by the next call.
final class Connection {
    /// Bytes of answers after which the peer is told that there is room again.
    private static let topUp = 1 << 28

    let descriptor: Int32
    private let path: String
    private let streams: Int
    private let next: () -> [UInt8]?
    private var output: [UInt8] = Frames.opening
    private var sent = 0
    private var input: [UInt8] = []
    private var stream: UInt32 = 1
    private var began: [UInt32: UInt64] = [:]
    private var hasData: Set<UInt32> = []
    private var received = 0
    private(set) var tally = Tally()
    private(set) var isBroken = false

    /// - Parameter next: the next call's message; nil: no more.
    init(port: UInt16, path: String, streams: Int, next: @escaping () -> [UInt8]?) {
        self.path = path
        self.streams = streams
        self.next = next
        descriptor = Self.connect(port)
        isBroken = descriptor < 0
        for _ in 0..<streams { begin() }
        flush()
    }

    deinit { close(descriptor) }

    var isIdle: Bool { began.isEmpty }
    var wantsToWrite: Bool { sent < output.count }

    private static func connect(_ port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { return -1 }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        return descriptor
    }

    private func begin() {
        guard let message = next() else { return }
        let headers = stream == 1 ? Frames.firstHeaders(path: path) : Frames.laterHeaders
        Frames.append(Frames.Kind.headers, flags: Frames.endHeaders, stream: stream, headers, to: &output)
        Frames.append(Frames.Kind.data, flags: Frames.endStream, stream: stream, message, to: &output)
        began[stream] = now()
        stream += 2
    }

    func flush() {
        while sent < output.count {
            let count = output[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                isBroken = isBroken || (errno != EAGAIN && errno != EINTR)
                return
            }
            sent += count
        }
        output.removeAll(keepingCapacity: true)
        sent = 0
    }

    /// Reads what there is, and begins as many calls as were answered.
    func receive(_ buffer: inout [UInt8]) {
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else {
                isBroken = isBroken || count == 0 || (errno != EAGAIN && errno != EINTR)
                break
            }
            input += buffer[..<count]
            received += count
            tally.bytes += count
            if count < buffer.count { break }
        }
        var position = 0
        while input.count - position >= Frames.headerLength {
            let length = Int(input[position]) << 16 | Int(input[position + 1]) << 8 | Int(input[position + 2])
            guard input.count - position >= Frames.headerLength + length else { break }
            take(position, length)
            position += Frames.headerLength + length
        }
        input.removeFirst(position)
        if received >= Self.topUp {
            Frames.append(Frames.Kind.windowUpdate, flags: 0, stream: 0, Frames.big(UInt32(received)), to: &output)
            received = 0
        }
        flush()
    }

    private func take(_ position: Int, _ length: Int) {
        let (kind, flags) = (input[position + 3], input[position + 4])
        let number = (5...8).reduce(UInt32(0)) { $0 << 8 | UInt32(input[position + $1]) } & 0x7FFF_FFFF
        let payload = Array(input[(position + Frames.headerLength)..<(position + Frames.headerLength + length)])
        switch kind {
        case Frames.Kind.data: hasData.insert(number)
        case Frames.Kind.headers: break
        case Frames.Kind.reset:
            hasData.remove(number)
            return end(number)
        case Frames.Kind.settings where flags & Frames.acknowledge == 0:
            Frames.append(Frames.Kind.settings, flags: Frames.acknowledge, stream: 0, [], to: &output)
            return
        case Frames.Kind.ping where flags & Frames.acknowledge == 0:
            Frames.append(Frames.Kind.ping, flags: Frames.acknowledge, stream: 0, payload, to: &output)
            return
        case Frames.Kind.goAway:
            isBroken = true
            return
        default: return
        }
        if flags & Frames.endStream != 0 { end(number) }
    }

    /// An answer without a message is an error's.
    private func end(_ number: UInt32) {
        guard let start = began.removeValue(forKey: number) else { return }
        if hasData.remove(number) != nil {
            tally.answered += 1
            tally.latencies.append(now() - start)
        } else {
            tally.failed += 1
        }
        begin()
    }
}

/// Nanoseconds on the monotonic clock.
func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
