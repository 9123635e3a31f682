import COpenSSL
import Glibc

/// TLS over one connected socket, which stays the caller's: non-blocking where nothing here may wait. For one thread at a time, which
/// must have SIGPIPE blocked.
package final class TLSStream {
    /// Where a handshake stands.
    package enum Handshake: Hashable, Sendable {
        case done
        case wantsRead
        case wantsWrite
        case failed(String)
    }

    package enum Received: Hashable, Sendable {
        case bytes([UInt8])
        /// No more for now.
        case nothing
        /// The other's end, said in order.
        case ended
        case failed(String)
    }

    package enum Sent: Hashable, Sendable {
        /// So many bytes; 0 when the socket takes none now.
        case sent(Int)
        case failed(String)
    }

    private let ssl: OpaquePointer
    // Certificates and keys live as long as whoever uses them.
    private let context: TLSContext

    /// - Parameter host: for a client, the name or numeric address that the server's certificate must be for.
    package init(_ context: TLSContext, descriptor: Int32, host: String? = nil) throws(TLSError) {
        ERR_clear_error()
        guard let ssl = SSL_new(context.pointer) else { throw .library(TLSContext.lastReason()) }
        var isReady = SSL_set_fd(ssl, descriptor) == 1
        if context.isServer {
            SSL_set_accept_state(ssl)
        } else {
            SSL_set_connect_state(ssl)
            isReady = isReady && host.map { Self.expect($0, ssl) } ?? false
        }
        guard isReady else {
            let reason = TLSContext.lastReason()
            SSL_free(ssl)
            throw .library(reason)
        }
        self.ssl = ssl
        self.context = context
    }

    deinit { SSL_free(ssl) }

    /// Goes on with the handshake as far as the socket lets it.
    package func handshake() -> Handshake {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        guard result != 1 else { return .done }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        default: return .failed(reason)
        }
    }

    /// The next bytes, `most` at most. A record holds up to 16 KiB: asked for so many, nothing stays behind where poll can't see it.
    package func receive(_ most: Int) -> Received {
        var result: Int32 = 0
        ERR_clear_error()
        let bytes = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
            result = SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
            count = max(0, Int(result))
        }
        guard result <= 0 else { return .bytes(bytes) }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .nothing
        case SSL_ERROR_ZERO_RETURN: return .ended
        // It wants to write: an answer to a change of keys that the other doesn't take. Nobody honest gets there.
        default: return .failed(reason)
        }
    }

    /// Sends as much as the socket takes now.
    package func send(_ bytes: ArraySlice<UInt8>) -> Sent {
        guard !bytes.isEmpty else { return .sent(0) }
        ERR_clear_error()
        let result = bytes.withUnsafeBytes { SSL_write(ssl, $0.baseAddress, Int32(clamping: $0.count)) }
        guard result <= 0 else { return .sent(Int(result)) }
        return SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE ? .sent(0) : .failed(reason)
    }

    /// Tells the other that no more will come; waits for nothing.
    package func finish() {
        ERR_clear_error()
        _ = SSL_shutdown(ssl)
    }

    private static func expect(_ host: String, _ ssl: OpaquePointer) -> Bool {
        let parameters = SSL_get0_param(ssl)
        // Taken for an address when it is one; addresses are no server names.
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1 { return true }
        return SSL_set1_host(ssl, host) == 1 && mx_ssl_set_server_name(ssl, host) == 1
    }

    private var reason: String {
        let verdict = SSL_get_verify_result(ssl)
        if verdict != Int(X509_V_OK), let text = X509_verify_cert_error_string(verdict) {
            return "the certificate is not trusted: \(String(cString: text))"
        }
        return mx_ssl_last_error() == 0 ? "the connection was lost" : TLSContext.lastReason()
    }
}
