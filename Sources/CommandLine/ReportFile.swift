import CLinux
import Glibc
package import LocalAPI

/// The file that `pull --report` leaves: the last event of the job, which has what each source gave.
package final class ReportFile: Sendable {
    private let path: String
    private let descriptor: Int32

    /// Opens the file before the pull begins, so that a wrong path is told at once and not after an hour.
    package init(path: String) throws {
        let descriptor = mx_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else {
            let why = String(cString: strerror(mx_errno()))
            throw ExitError(
                code: ExitCodes.usage, message: "the report can't be written to \(path): \(why); name another file")
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Takes events of a job; the one that ends it is written.
    package func take(_ event: JobEvent) {
        guard event.event == "complete" || event.event == "failed", let line = try? LocalJSON.encode(event) else {
            return
        }
        let bytes = line + [10]
        if write(descriptor, bytes, bytes.count) != bytes.count {
            StandardText.error.write(
                "the report could not be written to \(path): \(String(cString: strerror(errno)))\n")
        }
    }
}
