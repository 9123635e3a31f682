/// Why a source could not offer its lanes.
package enum LaneServerError: Error, Hashable, Sendable, CustomStringConvertible {
    case addressInUse(address: String, port: UInt16)
    case cannotListen(place: String, why: String)
    case unsafeDirectory(path: String, why: String)
    case socketPathTooLong(path: String, limit: Int)
    case noThread(String)

    package var description: String {
        switch self {
        case .addressInUse(let address, let port):
            "TCP port \(port) on \(address) is taken by another process; set another data port, or 0 to let the system choose"
        case .cannotListen(let place, let why): "can't listen on \(place): \(why)"
        case .unsafeDirectory(let path, let why):
            "\(path) can't hold lane sockets: \(why); name a folder of this user with mode 0700, or a sticky one"
        case .socketPathTooLong(let path, let limit):
            "\(path) has \(path.utf8.count) bytes, a socket's path may have \(limit); use a shorter MX_HOST_SOCKET_DIR"
        case .noThread(let why): "the data plane could not start: \(why)"
        }
    }
}
