import CLinux
import Glibc

/// The resident memory of this process, in bytes, by what it belongs to.
///
/// Weights in shared memory and in mapped files aren't the program's own footprint; `anonymous` is.
package struct ProcessMemory: Sendable, Equatable {
    /// Heap and stacks.
    package var anonymous: UInt64
    /// Memory files and shared mappings, such as staged weights.
    package var shared: UInt64
    /// Mapped files: the program, libraries, checkpoints.
    package var file: UInt64

    /// What the kernel says now; nil when /proc can't be read.
    package static func current() -> ProcessMemory? {
        guard let status = readStatus() else { return nil }
        return ProcessMemory(status: status)
    }

    /// Registers the three as gauges, read at each exposition.
    package static func register(in metrics: Metrics) {
        let parts: [(String, @Sendable (ProcessMemory) -> UInt64)] = [
            ("anonymous", { $0.anonymous }), ("shared", { $0.shared }), ("file", { $0.file }),
        ]
        for (kind, part) in parts {
            metrics.gauge(
                "modelexpress_process_resident_bytes", help: "Resident memory of the process by what it belongs to.",
                labels: [("kind", kind)]
            ) { current().map { Double(part($0)) } ?? .nan }
        }
    }

    /// - Parameter status: the text of /proc/PID/status; nil when a line is missing.
    init?(status: String) {
        guard let anonymous = Self.bytes(of: "RssAnon", in: status), let file = Self.bytes(of: "RssFile", in: status),
            let shared = Self.bytes(of: "RssShmem", in: status)
        else { return nil }
        self.anonymous = anonymous
        self.shared = shared
        self.file = file
    }

    /// Lines are `RssAnon:\t     712 kB`.
    private static func bytes(of key: String, in status: String) -> UInt64? {
        for line in status.split(separator: "\n") where line.hasPrefix(key + ":") {
            let words = line.dropFirst(key.count + 1).split { $0 == " " || $0 == "\t" }
            guard words.count == 2, words[1] == "kB" else { return nil }
            return words.first.flatMap { UInt64($0) }.map { $0 * 1024 }
        }
        return nil
    }

    /// The file is about 1.5 kB; the kernel gives it in one read.
    private static func readStatus() -> String? {
        let descriptor = mx_open("/proc/self/status", O_RDONLY, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let maximumBytes = 16384
        let bytes = [UInt8](unsafeUninitializedCapacity: maximumBytes) { buffer, count in
            count = max(0, read(descriptor, buffer.baseAddress, maximumBytes))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
