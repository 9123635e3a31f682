import ArgumentParser
import Configuration
package import Records

/// A length of time as an argument: `30s`, `90m`, `24h`, `7d`, or plain seconds.
package struct DurationArgument: ExpressibleByArgument, Hashable, Sendable, CustomStringConvertible {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package init?(argument: String) {
        guard let milliseconds = Quantities.milliseconds(argument) else { return nil }
        self.milliseconds = milliseconds
    }

    package var seconds: Double { Double(milliseconds) / 1000 }

    package var description: String {
        let units: [(Int64, String)] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m")]
        for (unit, letter) in units where milliseconds > 0 && milliseconds % unit == 0 && milliseconds / unit > 1 {
            return "\(milliseconds / unit)\(letter)"
        }
        return "\(milliseconds / 1000)s"
    }

    package var defaultValueDescription: String { description }
}

/// Roles as an argument: words with commas between them.
package struct RolesArgument: ExpressibleByArgument, Hashable, Sendable {
    package let roles: Roles

    package init(_ roles: Roles) { self.roles = roles }

    package init?(argument: String) {
        var roles: Roles = []
        for word in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let role = Roles(word: word) else { return nil }
            roles.insert(role)
        }
        self.roles = roles
    }

    package var defaultValueDescription: String { roles.words.joined(separator: ",") }
}

/// A way of moving bytes, as `pull` takes it.
package enum LaneArgument: String, ExpressibleByArgument, CaseIterable, Sendable {
    case shm
    case ucx
    case verbs
    case tcp
}

/// How thoroughly a pull checks what it got.
package enum IntegrityArgument: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// Every chunk against the digest in its signed manifest.
    case full
    /// Checksums of the transport only, for measurements.
    case crc
}

/// A stage as an argument.
package struct StageArgument: ExpressibleByArgument, Hashable, Sendable {
    package let stage: Stage

    package init?(argument: String) {
        guard let stage = Stage.allCases.first(where: { $0.word == argument }) else { return nil }
        self.stage = stage
    }

    package static var allValueStrings: [String] { Stage.allCases.map(\.word) }
    package var defaultValueDescription: String { stage.word }
}
