/// Why the face can't listen.
package enum HTTPFaceError: Error, Hashable {
    case portInUse(address: String, port: UInt16)
    /// The port needs a privilege.
    case portForbidden(address: String, port: UInt16)
    case notAnAddress(String)
    case addressNotHere(String)
    case failed(address: String, port: UInt16, reason: String)
}

extension HTTPFaceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .portInUse(let address, let port):
            "HTTP port \(port) on \(address) is in use by another process; choose another with --http-port "
                + "(0 lets the system choose)"
        case .portForbidden(let address, let port):
            "HTTP port \(port) on \(address) needs a privilege this process lacks; choose another with --http-port "
                + "(1024 or above)"
        case .notAnAddress(let address):
            "\"\(address)\" is not a numeric address to listen on; use 0.0.0.0, :: or an address of this machine"
        case .addressNotHere(let address):
            "\(address) is not an address of this machine; use 0.0.0.0, :: or one that `ip address` lists"
        case .failed(let address, let port, let reason):
            "can't listen for HTTP on \(address) port \(port): \(reason)"
        }
    }
}
