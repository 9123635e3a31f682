import CLinux
import Digest
import Glibc
package import Records

/// `revocations`: what was revoked by people, one notice a line. It holds no secret. Programs that run with its folder read it
/// each minute and tell the mesh; what they hear from the mesh they don't write into it.
///
/// Lines that are empty or begin with `#` mean nothing.
package struct RevocationFile: Hashable, Sendable {
    static let prefix = "mxrevocation1:"
    /// Room for all that one signer may have revoked, bytes.
    static let sizeLimit = 16 * 1024 * 1024
    private static let lockAttempts = 100
    private static let lockPause: UInt32 = 50_000

    package let path: String

    package init(path: String) { self.path = path }

    package struct DamagedLine: Hashable, Sendable, CustomStringConvertible {
        package let number: Int
        package let reason: String

        package var description: String { "line \(number) is no revocation, or is damaged: \(reason)" }
    }

    package struct Content: Sendable {
        package var notices: [RevocationNotice] = []
        package var damaged: [DamagedLine] = []
        /// The text of each line that is not a notice, kept as it is.
        fileprivate var others: [Substring] = []
    }

    /// Signatures are not judged here. No file is an empty one; one damaged line doesn't hide the others.
    package func load() throws(ConfigurationError) -> Content {
        guard access(path, F_OK) == 0 else { return Content() }
        return Self.parse(try SecretFile.read(path, isPrivate: false, sizeLimit: Self.sizeLimit))
    }

    /// Changes the list, whole or not at all, one writer at a time. What has ended at `wall` is left out; damaged lines stay, for
    /// people to look at.
    ///
    /// - Returns: what the file holds now.
    @discardableResult
    package func update(
        atWall wall: Int64, _ change: (inout [RevocationNotice]) -> Void
    ) throws(ConfigurationError) -> Content {
        let lock = try takeLock()
        defer { close(lock) }
        var content = try load()
        content.notices.removeAll { $0.revocation.value.until <= wall }
        change(&content.notices)
        var known: Set<Digest256> = []
        content.notices = content.notices.filter { known.insert($0.id).inserted }
        let lines = content.others.map(String.init) + content.notices.map(Self.line)
        try SecretFile.write(lines.map { $0 + "\n" }.joined(), to: path, mode: 0o644)
        return content
    }

    package static func line(_ notice: RevocationNotice) -> String {
        prefix + Hexadecimal.encode(notice.encoded)
    }

    static func parse(_ text: String) -> Content {
        var content = Content()
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            guard !line.isEmpty else { continue }
            do throws(WireError) {
                guard !line.hasPrefix("#") else {
                    content.others.append(line)
                    continue
                }
                guard let bytes = ClusterKeyFiles.decode(String(line), prefix: prefix) else {
                    throw .malformed(field: "text")
                }
                content.notices.append(try RevocationNotice(decoding: bytes))
            } catch {
                content.others.append(line)
                content.damaged.append(DamagedLine(number: index + 1, reason: "\(error)"))
            }
        }
        return content
    }

    /// The lock is on a file of its own, since the list itself is replaced by each change.
    private func takeLock() throws(ConfigurationError) -> Int32 {
        let descriptor = mx_open("\(path).lock", O_RDWR | O_CREAT, 0o600)
        guard descriptor >= 0 else { throw .unwritable(path: path, reason: SecretFile.errorText()) }
        for _ in 0..<Self.lockAttempts {
            if mx_lock_file(descriptor) == 0 { return descriptor }
            guard errno == EAGAIN else { break }
            usleep(Self.lockPause)
        }
        let isHeld = errno == EAGAIN
        let reason = SecretFile.errorText()
        close(descriptor)
        if isHeld { throw .locked(path: path) }
        throw .unwritable(path: path, reason: reason)
    }
}
