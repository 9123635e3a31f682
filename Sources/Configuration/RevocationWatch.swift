import Digest
package import Records
import Telemetry

/// Reads the file of revocations again and again: people revoke while programs run.
package enum RevocationWatch {
    /// How often it is read, nanoseconds.
    package static let period: UInt64 = 60_000_000_000

    /// Reads at once, and then until its task is cancelled. What is wrong with the file is logged once, and what can be read of it
    /// is used.
    ///
    /// - Parameter found: gets each notice that it didn't take before; false when it can't take it now.
    package static func run(
        file: RevocationFile, period: UInt64 = period, found: @Sendable (RevocationNotice) -> Bool
    ) async {
        var taken: Set<Digest256> = []
        var problems: Set<String> = []
        let log = Log(component: "keys")
        while !Task.isCancelled {
            do throws(ConfigurationError) {
                let content = try file.load()
                for line in content.damaged.map(\.description) where problems.insert(line).inserted {
                    log.warning("a revocation can't be read", [("file", file.path), ("reason", line)])
                }
                for notice in content.notices where !taken.contains(notice.id) {
                    guard found(notice) else { break }
                    taken.insert(notice.id)
                }
            } catch {
                if problems.insert("\(error)").inserted {
                    log.warning("revocations can't be read", [("reason", "\(error)")])
                }
            }
            try? await Task.sleep(nanoseconds: period)
        }
    }
}
