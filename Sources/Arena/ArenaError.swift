import CLinux
import Glibc

/// Why an arena could not be made.
package enum ArenaError: Error, Hashable, Sendable {
    /// The machine, or the container that this process runs in, has less memory left than the content needs. Bytes.
    case noMemory(needed: UInt64, available: UInt64)
    case system(action: String, code: Int32)
    /// The content can't be laid out with this alignment.
    case badLayout
    /// A memory file of another has another size than its content needs, or could be given one.
    case notSealed

    static func failed(_ action: String) -> ArenaError { .system(action: action, code: mx_errno()) }
}

extension ArenaError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noMemory(let needed, let available):
            "the content needs \(needed) bytes of memory and \(available) are left; give the container more (its memory "
                + "limit counts shared memory), or pull to a folder"
        case .system(let action, let code): "can't \(action): \(String(cString: strerror(code)))"
        case .badLayout: "the content is too large for one arena"
        case .notSealed: "a memory file that was handed over has another size than its content, or none that is final"
        }
    }
}
