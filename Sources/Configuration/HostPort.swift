import Glibc

/// `host:port`, or `[v6]:port`.
package struct HostPort: Hashable, Sendable {
    package let host: String
    package let port: UInt16

    package init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        self.port = port
    }
}

/// What this machine calls itself.
package enum HostIdentity {
    package static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Names this boot of this machine, the same in all its containers; empty when the kernel doesn't tell.
    package static var bootID: String {
        guard let text = try? SecretFile.read("/proc/sys/kernel/random/boot_id", isPrivate: false) else { return "" }
        return text.filter { !$0.isWhitespace }
    }
}
