import CLinux
package import Configuration
import Glibc

/// What standard output can show.
package struct Terminal: Hashable, Sendable {
    /// Columns when nobody says.
    package static let defaultWidth = 80
    /// Widths below and above are mistakes of whoever told them.
    package static let widths = 20...1000

    /// Whether a person watches, so that lines may be drawn again.
    package var isInteractive: Bool
    package var width: Int
    package var hasColours: Bool

    package init(isInteractive: Bool, width: Int = defaultWidth, hasColours: Bool = false) {
        self.isInteractive = isInteractive
        self.width = min(max(width, Self.widths.lowerBound), Self.widths.upperBound)
        self.hasColours = hasColours
    }

    /// Standard output's. `COLUMNS` wins over what the terminal says; `NO_COLOR` and `TERM=dumb` are respected.
    package static func standardOutput(_ environment: Environment) -> Terminal {
        let isDumb = environment["TERM"] == "dumb"
        let isInteractive = isatty(STDOUT_FILENO) == 1 && !isDumb
        let told = environment["COLUMNS"].flatMap { Int($0) }
        return Terminal(
            isInteractive: isInteractive, width: told ?? columns(of: STDOUT_FILENO) ?? defaultWidth,
            hasColours: isInteractive && environment["NO_COLOR"] == nil)
    }

    /// Nil when nobody knows.
    static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        let status = withUnsafeMutablePointer(to: &size) { pointer in
            // The call wants an int's address and fills the whole struct, which is two ints long.
            pointer.withMemoryRebound(to: Int32.self, capacity: 2) {
                mx_ioctl_int(descriptor, UInt(TIOCGWINSZ), $0)
            }
        }
        return status == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }
}
