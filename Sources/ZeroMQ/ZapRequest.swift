/// Somebody wants to connect, as libzmq tells a ZAP handler (ZeroMQ RFC 27).
package struct ZapRequest: Sendable, Equatable {
    /// How the other side proves who it is.
    package enum Mechanism: Sendable, Equatable {
        /// Not at all.
        case null
        /// By the secret half of this 32-byte key, which libzmq has checked.
        case curve(clientKey: [UInt8])
    }

    /// The `zapDomain` of the socket.
    package var domain: String
    /// The IP address of the other side.
    package var address: String
    /// What it proved.
    package var mechanism: Mechanism

    /// A request with these parts.
    package init(domain: String, address: String, mechanism: Mechanism) {
        self.domain = domain
        self.address = address
        self.mechanism = mechanism
    }
}

/// Whether somebody may connect.
package enum ZapDecision: Sendable, Equatable {
    /// Yes; messages from there carry `userID` from now on. At most 255 bytes.
    case accept(userID: String)
    /// No; the reason goes to the other side.
    case refuse(code: Int, reason: String)
}

/// The frames of ZAP 1.0.
enum ZapCodec {
    static let version = Array("1.0".utf8)
    /// The other side is at fault.
    static let refusedCode = 400
    private static let maximumTextLength = 255

    /// What was asked and under which number.
    enum Decoded: Equatable {
        case request(id: [UInt8], ZapRequest)
        case malformed(id: [UInt8], reason: String)
    }

    /// Version, request id, domain, address, identity, mechanism, and the mechanism's credentials.
    static func decode(_ frames: ArraySlice<[UInt8]>) -> Decoded {
        let frames = Array(frames)
        guard frames.count >= 6 else {
            return .malformed(id: frames.count > 1 ? frames[1] : [], reason: "Too few frames")
        }
        guard frames[0] == version else { return .malformed(id: frames[1], reason: "Unknown version of ZAP") }
        let credentials = frames[6...]
        guard let mechanism = mechanism(text(frames[5]), Array(credentials)) else {
            return .malformed(id: frames[1], reason: "Unknown mechanism or credentials")
        }
        let request = ZapRequest(
            domain: text(frames[2]), address: PeerAddress.normalised(text(frames[3])), mechanism: mechanism)
        return .request(id: frames[1], request)
    }

    /// Version, request id, status code, status text, user id, metadata.
    static func reply(id: [UInt8], _ decision: ZapDecision) -> [[UInt8]] {
        switch decision {
        case .accept(let userID) where userID.utf8.count <= maximumTextLength:
            [version, id, Array("200".utf8), Array("OK".utf8), Array(userID.utf8), []]
        case .accept:
            [version, id, Array("500".utf8), Array("The user id is too long".utf8), [], []]
        case .refuse(let code, let reason):
            [version, id, Array(String(code).utf8), Array(reason.utf8.prefix(maximumTextLength)), [], []]
        }
    }

    private static func mechanism(_ name: String, _ credentials: [[UInt8]]) -> ZapRequest.Mechanism? {
        switch name {
        case "NULL" where credentials.isEmpty: .null
        case "CURVE" where credentials.count == 1 && credentials[0].count == CurveKeys.length:
            .curve(clientKey: credentials[0])
        default: nil
        }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
