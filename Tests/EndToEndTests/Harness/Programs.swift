import Glibc

/// Where the built programs are.
enum Programs {
    /// Beside the test bundle, which lies in the build folder; or `MX_PROGRAMS`.
    private static let folder: String? = environment("MX_PROGRAMS") ?? buildFolder()

    static func path(of program: String) throws -> String {
        guard let folder else {
            throw Unmet("no built programs above \(executable()): run `swift build`, or set MX_PROGRAMS")
        }
        return "\(folder)/\(program)"
    }

    /// Nil when unset or empty.
    static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    private static func buildFolder() -> String? {
        // The tests are run by a helper of the toolchain, which gets the bundle's path as an argument.
        for start in [executable()] + CommandLine.arguments {
            var path = start
            while let slash = path.lastIndex(of: "/"), slash != path.startIndex {
                path = String(path[..<slash])
                if access("\(path)/modelexpress", X_OK) == 0, isFile("\(path)/modelexpress") { return path }
            }
        }
        return nil
    }

    private static func executable() -> String {
        guard let path = realpath("/proc/self/exe", nil) else { return "" }
        defer { free(path) }
        return String(cString: path)
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
}
