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

    /// Lines that fit now; a window may be resized at any time.
    var currentHeight: Int { Self.size(of: STDOUT_FILENO).map { Int($0.ws_row) } ?? Self.defaultHeight }

    /// Lines when nobody says.
    static let defaultHeight = 24

    /// Nil when nobody knows.
    static func columns(of descriptor: Int32) -> Int? { size(of: descriptor).map { Int($0.ws_col) } }

    private static func size(of descriptor: Int32) -> winsize? {
        var size = winsize()
        let status = withUnsafeMutablePointer(to: &size) { pointer in
            // The call wants an int's address and fills the whole struct, which is two ints long.
            pointer.withMemoryRebound(to: Int32.self, capacity: 2) {
                mx_ioctl_int(descriptor, UInt(TIOCGWINSZ), $0)
            }
        }
        return status == 0 && size.ws_col > 0 && size.ws_row > 0 ? size : nil
    }
}
