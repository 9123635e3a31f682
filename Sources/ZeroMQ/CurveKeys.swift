import CZeroMQ

/// X25519 keys as CURVE uses them: 32 raw bytes, while libzmq's own functions speak Z85 text.
package enum CurveKeys {
    /// Bytes of a key.
    package static let length = 32
    private static let textLength = 40

    /// A new pair from the system's random source.
    package static func generate() -> (publicKey: [UInt8], secretKey: [UInt8]) {
        var publicText = [CChar](repeating: 0, count: textLength + 1)
        var secretText = publicText
        defer { for index in secretText.indices { secretText[index] = 0 } }
        let status = zmq_curve_keypair(&publicText, &secretText)
        precondition(status == 0, "this libzmq was built without CURVE")
        return (decoded(publicText), decoded(secretText))
    }

    /// The public key of a secret one.
    package static func publicKey(secretKey: [UInt8]) -> [UInt8] {
        var secretText = [CChar](repeating: 0, count: textLength + 1)
        defer { for index in secretText.indices { secretText[index] = 0 } }
        var publicText = secretText
        let encoded = zmq_z85_encode(&secretText, checked(secretKey), length)
        let status = zmq_curve_public(&publicText, &secretText)
        precondition(encoded != nil && status == 0, "this libzmq was built without CURVE")
        return decoded(publicText)
    }

    static func checked(_ key: [UInt8]) -> [UInt8] {
        precondition(key.count == length, "a CURVE key has \(length) bytes")
        return key
    }

    private static func decoded(_ text: [CChar]) -> [UInt8] {
        var key = [UInt8](repeating: 0, count: length)
        let decoded = zmq_z85_decode(&key, text)
        precondition(decoded != nil, "libzmq made a key that is no Z85")
        return key
    }
}
