import Glibc
import Testing

@testable import HTTPFace
@testable import Rendezvous

@Suite("The page's files")
struct PageFilesTests {
    private static let folder: String = {
        let levelsUp = 3  // Tests/RendezvousTests/PageFilesTests.swift
        let root = #filePath.split(separator: "/").dropLast(levelsUp).reduce(into: "") { $0 += "/" + $1 }
        return "\(root)/Sources/Rendezvous/Page"
    }()

    private static func contents(of path: String) throws -> [UInt8] {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        return bytes
    }

    private static func sources() throws -> [String: [UInt8]] {
        let stream = try #require(opendir(folder))
        defer { closedir(stream) }
        var found: [String: [UInt8]] = [:]
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { found[name] = try contents(of: "\(folder)/\(name)") }
        }
        return found
    }

    @Test("What is served is what stands in the folder, all of it and nothing else")
    func fresh() throws {
        let sources = try Self.sources()
        var served: [String: [UInt8]] = [:]
        for (path, file) in PageFiles.all {
            let name = path == "/" ? "index.html" : String(path.dropFirst("/page/".count))
            served[name] = file.response.body
        }
        #expect(Set(served.keys) == Set(sources.keys))
        for (name, bytes) in sources { #expect(served[name] == bytes, "\(name) is stale: build again") }
    }

    @Test("No file makes markup out of text, runs text, styles in place or names another server")
    func harmless() throws {
        let forbidden = [
            "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", " style=",
            "onclick=",
            "https://", "http://", "//cdn", "@import", "url(",
        ]
        for (name, bytes) in try Self.sources() {
            let text = String(decoding: bytes, as: UTF8.self).replacing("http://www.w3.org/2000/svg", with: "")
            for word in forbidden { #expect(!text.contains(word), "\(name) has \(word)") }
        }
    }

    @Test("What a file of the page names is there")
    func complete() throws {
        for (name, bytes) in try Self.sources() {
            let text = String(decoding: bytes, as: UTF8.self)
            for word in text.split(whereSeparator: { "\"' ()".contains($0) }) {
                if word.hasPrefix("page/") { #expect(PageFiles.all["/\(word)"] != nil, "\(name) names \(word)") }
                if word.hasPrefix("./") {
                    #expect(PageFiles.all["/page/\(word.dropFirst(2))"] != nil, "\(name) names \(word)")
                }
            }
        }
    }

    @Test("Each file is of a size that a person reads")
    func sizes() throws {
        for (name, bytes) in try Self.sources() where !name.hasSuffix(".css") {
            #expect(bytes.count { $0 == UInt8(ascii: "\n") } <= 300, "\(name)")
        }
    }
}
