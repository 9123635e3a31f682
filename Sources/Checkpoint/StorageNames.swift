import Records

/// Judges the file names of a manifest, which come from outside, before any of them is used as a path.
enum StorageNames {
    /// Bytes of one component that file systems take.
    static let componentLimit = 255

    /// Every name must lead to a file of its own below the folder it is written to.
    static func check(_ storages: [Storage]) throws(CheckpointError) {
        let files = Set(storages.map { Array($0.name.utf8) })
        for storage in storages {
            if let reason = defect(of: storage.name) { throw .unsafeName(name: storage.name, reason: reason) }
            let bytes = Array(storage.name.utf8)
            for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "/") {
                guard !files.contains(Array(bytes[..<index])) else {
                    throw .unsafeName(name: storage.name, reason: "lies in a folder that is also a file")
                }
            }
        }
    }

    private static func defect(of name: String) -> String? {
        if name.utf8.first == UInt8(ascii: "/") { return "is an absolute path" }
        if Paths.hasControlCharacters(name) { return "contains control characters" }
        if name.utf8.count > WireLimits.name { return "is over \(WireLimits.name) bytes long" }
        let components = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if components.count > FolderWalk.depthLimit { return "lies over \(FolderWalk.depthLimit) folders deep" }
        for component in components {
            if component.isEmpty { return "has an empty component" }
            if component.elementsEqual(".".utf8) || component.elementsEqual("..".utf8) {
                return "has the component '\(component.count == 1 ? "." : "..")'"
            }
            if component.count > componentLimit { return "has a component of over \(componentLimit) bytes" }
        }
        return nil
    }
}
