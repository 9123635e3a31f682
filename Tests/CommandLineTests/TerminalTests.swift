import CLinux
import Configuration
import Glibc
import Testing

@testable import CommandLine

struct TerminalTests {
    @Test("A terminal's own width is found")
    func width() throws {
        let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try #require(terminal >= 0)
        defer { close(terminal) }
        var size = winsize(ws_row: 24, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0)
        let status = withUnsafeMutablePointer(to: &size) { pointer in
            pointer.withMemoryRebound(to: Int32.self, capacity: 2) { mx_ioctl_int(terminal, UInt(TIOCSWINSZ), $0) }
        }
        try #require(status == 0)
        #expect(Terminal.columns(of: terminal) == 132)
    }

    @Test("What is no terminal has no width")
    func file() {
        let null = open("/dev/null", O_RDWR)
        defer { close(null) }
        #expect(Terminal.columns(of: null) == nil)
    }

    @Test("The environment may tell the width, and forbid colours")
    func environment() {
        #expect(Terminal.standardOutput(Environment(["COLUMNS": "111"])).width == 111)
        #expect(Terminal.standardOutput(Environment(["COLUMNS": "wide", "TERM": "dumb"])).isInteractive == false)
        #expect(Terminal.standardOutput(Environment(["NO_COLOR": "1"])).hasColours == false)
    }
}
