#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// What OpenSSL has as macros only, which Swift can't import.

/// TLS 1.2 at least, no renegotiation, no compression, and modes for non-blocking sockets whose buffers move.
static inline int mx_ssl_harden(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(
        context,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1;
}

/// Names the host that is wanted to a server that has several.
static inline int mx_ssl_set_server_name(SSL *ssl, const char *name) {
    return SSL_set_tlsext_host_name(ssl, name) == 1;
}

/// Why the last failed call of this thread failed; 0 for want of an entry.
static inline unsigned long mx_ssl_last_error(void) { return ERR_peek_last_error(); }

static inline int mx_ssl_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
