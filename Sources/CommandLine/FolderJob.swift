package import Configuration
import LocalAPI

/// A folder that the daemon serves, or fills.
package struct FolderJob: Sendable {
    package let name: String?
    package let folder: String

    /// What flags say, else a variable, whose values have commas between them.
    package static func all(
        _ flags: [String], _ variable: String, _ environment: Environment
    ) throws -> [FolderJob] {
        let texts = flags.isEmpty ? (environment[variable] ?? "").split(separator: ",").map(String.init) : flags
        return try texts.map { text in
            guard let equals = text.firstIndex(of: "=") else {
                guard variable == "MX_SERVE" else {
                    throw ExitError(code: ExitCodes.usage, message: "--pull takes MODEL=FOLDER, not \"\(text)\"")
                }
                return FolderJob(name: nil, folder: text)
            }
            return FolderJob(name: String(text[..<equals]), folder: String(text[text.index(after: equals)...]))
        }
    }
}
