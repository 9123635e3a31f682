import EventThread
import Glibc
import HTTPFace
import TLS
import Telemetry

/// Certificate and key of the HTTP port. Their files are replaced while the server runs; new connections get what they hold.
final class HTTPCertificate: Sendable {
    /// How often the files are looked at, nanoseconds.
    private static let period: UInt64 = 60_000_000_000

    /// Tells whether files were replaced.
    private struct Stamp: Equatable {
        var parts: [Int] = []

        init(_ files: RendezvousSettings.CertificateFiles) {
            for path in [files.certificate, files.key] {
                var status = stat()
                guard stat(path, &status) == 0 else { continue }
                parts += [Int(status.st_ino), Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
            }
        }
    }

    private let files: RendezvousSettings.CertificateFiles
    private let context: Guarded<TLSContext>
    private let expiry = Metrics.shared.gauge(
        "modelexpress_http_certificate_expiry_seconds",
        help: "Until the certificate of the HTTP port ends, as last read.")
    private let log = Log(component: "http")

    /// Reads both files.
    init(_ files: RendezvousSettings.CertificateFiles) throws(TLSError) {
        self.files = files
        let loaded = try TLSContext.server(certificate: files.certificate, key: files.key)
        context = Guarded(loaded)
        note(loaded)
    }

    func channel(for descriptor: Int32) -> any ByteChannel {
        let context = context.withLock { $0 }
        do throws(TLSError) {
            return TLSChannel(try TLSStream(context, descriptor: descriptor))
        } catch {
            return ClosedChannel(reason: "\(error)")
        }
    }

    /// Looks at the files now and then until the task is cancelled. What can't be used leaves things as they are.
    func watch() async {
        var last = Stamp(files)
        while !Task.isCancelled {
            try? await Task.sleep(nanoseconds: Self.period)
            let stamp = Stamp(files)
            guard stamp != last else { continue }
            last = stamp
            reload()
        }
    }

    /// Takes up what the files hold now.
    func reload() {
        do throws(TLSError) {
            let loaded = try TLSContext.server(certificate: files.certificate, key: files.key)
            context.withLock { $0 = loaded }
            note(loaded)
            log.info("a new certificate is used", [("file", files.certificate)])
        } catch {
            log.warning("the new certificate can't be used; the one before stays", [("reason", "\(error)")])
        }
    }

    private func note(_ context: TLSContext) {
        guard let left = context.secondsLeft else { return }
        expiry.set(left)
        if left <= 0 { log.warning("the certificate of the HTTP port has ended", [("file", files.certificate)]) }
    }
}

/// HTTP over TLS.
private final class TLSChannel: ByteChannel {
    /// A record's content, whole.
    private static let record = 16 * 1024

    private let stream: TLSStream

    init(_ stream: TLSStream) { self.stream = stream }

    func begin() -> ByteChannelStep {
        switch stream.handshake() {
        case .done: .ready
        case .wantsRead: .wantsRead
        case .wantsWrite: .wantsWrite
        case .failed(let reason): .failed(reason: reason)
        }
    }

    func receive() -> ByteChannelReceived {
        switch stream.receive(Self.record) {
        case .bytes(let bytes): .bytes(bytes)
        case .nothing: .nothing
        case .ended, .failed: .ended
        }
    }

    func send(_ bytes: ArraySlice<UInt8>) -> Int? {
        if case .sent(let count) = stream.send(bytes) { count } else { nil }
    }

    func finish() { stream.finish() }
}

/// For a connection that could not be given TLS: nothing goes over it plainly instead.
private final class ClosedChannel: ByteChannel {
    private let reason: String

    init(reason: String) { self.reason = reason }

    func begin() -> ByteChannelStep { .failed(reason: reason) }
    func receive() -> ByteChannelReceived { .ended }
    func send(_ bytes: ArraySlice<UInt8>) -> Int? { nil }
    func finish() {}
}
