package import Trust

/// Reads the join token again now and then: its file is replaced while programs run, at half its life by whoever keeps it
/// (a Kubernetes Secret's mount changes in place).
package enum TokenWatch {
    /// How often it is read, nanoseconds.
    private static let period: UInt64 = 60_000_000_000

    /// Runs until its task is cancelled. A file that can't be read leaves things as they are.
    ///
    /// - Parameter changed: gets a token whose grant differs from the one before.
    package static func run(path: String, changed: @Sendable (TokenHolder) -> Void) async {
        var last = try? TokenFile.load(path)
        while !Task.isCancelled {
            try? await Task.sleep(nanoseconds: period)
            guard let token = try? TokenFile.load(path), token.grant != last?.grant else { continue }
            last = token
            changed(token)
        }
    }
}
