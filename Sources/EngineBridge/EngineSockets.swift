import Glibc

/// Where workers listen: `ipc:///tmp/mx/vllm.sock` stands for `/tmp/mx/vllm-0.sock`, `-1.sock` and so on.
package struct EngineSockets: Hashable, Sendable {
    private let folder: String
    private let prefix: String
    private let suffix: String

    /// - Parameter address: as in `MX_ZMQ_ADDRESS`; nil when it is no `ipc:///FOLDER/NAME`.
    package init?(address: String) {
        guard address.hasPrefix("ipc:///") else { return nil }
        let path = String(address.dropFirst("ipc://".count))
        guard let slash = path.lastIndex(of: "/") else { return nil }
        let name = path[path.index(after: slash)...]
        guard !name.isEmpty else { return nil }
        folder = slash == path.startIndex ? "/" : String(path[..<slash])
        let dot = name.lastIndex(of: ".") ?? name.endIndex
        prefix = "\(name[..<dot])-"
        suffix = String(name[dot...])
    }

    /// Sockets that are there now, by the number of their worker. Looks into the folder.
    package func present() -> [Int: String] {
        guard let directory = opendir(folder) else { return [:] }
        defer { closedir(directory) }
        var found: [Int: String] = [:]
        while found.count < EngineLimits.workers, let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let number = number(of: name) else { continue }
            found[number] = folder == "/" ? "/\(name)" : "\(folder)/\(name)"
        }
        return found
    }

    /// Whether a worker is there. Doesn't wait: a Unix socket's connection stands at once, or not at all.
    package static func isListening(_ path: String) -> Bool { (try? EngineStream(path: streamPath(of: path))) != nil }

    func number(of name: String) -> Int? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.count > prefix.count + suffix.count else {
            return nil
        }
        let digits = name.dropFirst(prefix.count).dropLast(suffix.count)
        guard digits.allSatisfy(\.isNumber), digits.utf8.count <= 9 else { return nil }
        return Int(digits)
    }

    /// The socket that passes memory, beside a worker's: `/tmp/mx/vllm-0.fd.sock`.
    static func streamPath(of path: String) -> String {
        guard let dot = path.lastIndex(of: "."), path[dot...].firstIndex(of: "/") == nil else { return path + ".fd" }
        return path[..<dot] + ".fd" + path[dot...]
    }
}
