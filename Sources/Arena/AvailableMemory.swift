import CLinux
import Glibc

/// How much memory this process may still take before the kernel kills something: asked before an arena is filled, since a
/// memory file that finds no page ends the process and not the call.
enum AvailableMemory {
    private static let textLimit = 64 * 1024

    /// Bytes; nil when nothing tells.
    static func bytes() -> UInt64? {
        [machine(), container()].compactMap(\.self).min()
    }

    private static func machine() -> UInt64? {
        guard let text = read("/proc/meminfo") else { return nil }
        return value(of: "MemAvailable:", in: text).map { $0 * 1024 }
    }

    /// What the control group of a container leaves, version 2 or 1. What it holds as inactive file cache it gives back.
    private static func container() -> UInt64? {
        let versions = [
            (
                limit: "/sys/fs/cgroup/memory.max", used: "/sys/fs/cgroup/memory.current",
                stat: "/sys/fs/cgroup/memory.stat"
            ),
            (
                limit: "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                used: "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                stat: "/sys/fs/cgroup/memory/memory.stat"
            ),
        ]
        for version in versions {
            guard let limit = number(in: version.limit), let used = number(in: version.used) else { continue }
            let cache = read(version.stat).flatMap { value(of: "inactive_file", in: $0) } ?? 0
            return limit - min(limit, used - min(used, cache))
        }
        return nil
    }

    /// A file that holds one number; "max" is none.
    private static func number(in path: String) -> UInt64? {
        read(path).flatMap { UInt64($0.prefix { $0.isNumber }) }
    }

    private static func value(of key: String, in text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return UInt64(line.dropFirst(key.count).drop { $0 == " " }.prefix { $0.isNumber })
        }
        return nil
    }

    private static func read(_ path: String) -> String? {
        let file = mx_open(path, O_RDONLY, 0)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let bytes = [UInt8](unsafeUninitializedCapacity: textLimit) { buffer, filled in
            filled = max(0, Glibc.read(file, buffer.baseAddress, buffer.count))
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
