import CLinux
import Glibc
import Records

/// Where a pull ends: a folder that doesn't exist yet, or is empty.
struct Destination {
    private static let stagingSuffix = ".modelexpress-partial"

    /// Real path of the folder it lies in.
    let parent: String
    let name: String

    var path: String { parent == "/" ? "/\(name)" : "\(parent)/\(name)" }
    /// The folder beside it that a pull writes to; one rename puts its content in place.
    var stagingName: String { ".\(name)\(Self.stagingSuffix)" }
    var stagingPath: String { parent == "/" ? "/\(stagingName)" : "\(parent)/\(stagingName)" }

    init(_ path: String) throws(CheckpointError) {
        let real = Paths.real(path)
        if real == nil, mx_errno() != ENOENT { throw .failed("look at", path) }
        let place = if let real { real } else { try Self.absentPath(path) }
        name = Paths.lastComponent(place)
        parent = "/" + Paths.components(place).dropLast().joined(separator: "/")
        guard !name.isEmpty else { throw .destinationIsMount(path: "/") }
        guard stagingName.utf8.count <= StorageNames.componentLimit else {
            throw .unsafeName(name: name, reason: "is too long for a destination; choose a shorter one")
        }
        if real != nil { try checkEmpty() }
    }

    /// A real path for something that doesn't exist, in a folder that does.
    private static func absentPath(_ path: String) throws(CheckpointError) -> String {
        let components = Paths.components(path)
        guard let name = components.last, name != ".", name != ".." else { throw .noParent(path: path) }
        let start = Paths.isAbsolute(path) ? "/" : "./"
        let parent = start + components.dropLast().joined(separator: "/")
        // A link that leads nowhere is something in the way.
        guard FileStatus.of("\(parent)/\(name)") == nil else { throw .destinationNotFolder(path: path) }
        guard let real = Paths.real(parent) else { throw .noParent(path: parent) }
        guard FileStatus.of(real)?.isFolder == true else { throw .noParent(path: parent) }
        return real == "/" ? "/\(name)" : "\(real)/\(name)"
    }

    /// Whether a pull to this path would end with `destinationNotEmpty`. Blocks.
    static func holdsFiles(_ path: String) -> Bool {
        do throws(CheckpointError) {
            _ = try Destination(path)
        } catch {
            if case .destinationNotEmpty = error { return true }
        }
        return false
    }

    private func checkEmpty() throws(CheckpointError) {
        guard let status = FileStatus.of(path), status.isFolder else { throw .destinationNotFolder(path: path) }
        guard FileStatus.of(parent)?.device == status.device else { throw .destinationIsMount(path: path) }
        guard try Paths.entries(of: path, limit: 1).isEmpty else { throw .destinationNotEmpty(path: path) }
    }
}
