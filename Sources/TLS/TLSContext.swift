import COpenSSL
import Glibc

/// What all connections of one side share: certificate and key, or the authorities that are trusted. TLS 1.2 and 1.3.
///
/// `@unchecked Sendable`: the SSL_CTX is set up in init and not changed afterwards; OpenSSL counts its references and lets
/// several threads make connections from it.
package final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    let isServer: Bool
    /// Seconds until the certificate of a server ends, when it was loaded; negative when it had ended.
    package let secondsLeft: Int?

    /// For a server.
    ///
    /// - Parameters: paths of PEM files: its certificate with the intermediate ones after it, and its private key without
    ///   passphrase. Reads them: blocks for as long as that takes.
    package static func server(certificate: String, key: String) throws(TLSError) -> TLSContext {
        for path in [certificate, key] where access(path, R_OK) != 0 {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        let context = try TLSContext.make(TLS_server_method())
        do throws(TLSError) {
            ERR_clear_error()
            guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
                throw .noCertificate(path: certificate, reason: lastReason())
            }
            // Without it OpenSSL would ask the terminal.
            let isAsked = UnsafeMutablePointer<Bool>.allocate(capacity: 1)
            isAsked.initialize(to: false)
            defer { isAsked.deallocate() }
            SSL_CTX_set_default_passwd_cb_userdata(context, isAsked)
            SSL_CTX_set_default_passwd_cb(context) { _, _, _, data in
                data?.assumingMemoryBound(to: Bool.self).pointee = true
                return -1
            }
            ERR_clear_error()
            // Compares it with the certificate as well.
            if SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 {
                if isAsked.pointee { throw .lockedKey(path: key) }
                if mx_ssl_error_reason(mx_ssl_last_error()) == X509_R_KEY_VALUES_MISMATCH {
                    throw .mismatch(certificate: certificate, key: key)
                }
                throw .noKey(path: key, reason: lastReason())
            }
            SSL_CTX_set_default_passwd_cb_userdata(context, nil)
            guard SSL_CTX_check_private_key(context) == 1 else {
                throw .mismatch(certificate: certificate, key: key)
            }
            return TLSContext(context, isServer: true, secondsLeft: secondsLeft(context))
        } catch {
            SSL_CTX_free(context)
            throw error
        }
    }

    /// For a client, which checks the server's certificate and name.
    ///
    /// - Parameter authorities: path of a PEM file with the only certificates that are trusted; nil for the system's.
    package static func client(authorities: String?) throws(TLSError) -> TLSContext {
        let context = try TLSContext.make(TLS_client_method())
        ERR_clear_error()
        let isLoaded =
            authorities.map { SSL_CTX_load_verify_locations(context, $0, nil) }
            ?? SSL_CTX_set_default_verify_paths(context)
        guard isLoaded == 1 else {
            let reason = lastReason()
            SSL_CTX_free(context)
            throw .noAuthorities(path: authorities ?? "the system's store", reason: reason)
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        return TLSContext(context, isServer: false, secondsLeft: nil)
    }

    private init(_ pointer: OpaquePointer, isServer: Bool, secondsLeft: Int?) {
        self.pointer = pointer
        self.isServer = isServer
        self.secondsLeft = secondsLeft
    }

    deinit { SSL_CTX_free(pointer) }

    private static func make(_ method: OpaquePointer?) throws(TLSError) -> OpaquePointer {
        guard let context = SSL_CTX_new(method) else { throw .library(lastReason()) }
        guard mx_ssl_harden(context) == 1 else {
            SSL_CTX_free(context)
            throw .library(lastReason())
        }
        return context
    }

    private static func secondsLeft(_ context: OpaquePointer) -> Int? {
        guard let certificate = SSL_CTX_get0_certificate(context), let end = X509_get0_notAfter(certificate) else {
            return nil
        }
        var (days, seconds): (Int32, Int32) = (0, 0)
        // Nil is now.
        guard ASN1_TIME_diff(&days, &seconds, nil, end) == 1 else { return nil }
        return Int(days) * 86_400 + Int(seconds)
    }

    static func lastReason() -> String {
        let code = mx_ssl_last_error()
        guard code != 0, let text = ERR_reason_error_string(code) else { return "no reason given" }
        return String(cString: text)
    }
}
