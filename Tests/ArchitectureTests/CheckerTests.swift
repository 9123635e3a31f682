import Testing

/// The checkers themselves, on made-up input: each rule must find what breaks it, and leave alone what does not.
struct CheckerTests {
    private func room(_ name: String, _ text: String) -> Room {
        Room(name: name, files: [SourceFile(path: "Sources/\(name)/File.swift", text: text)])
    }

    private func manifest(_ targets: String...) -> Manifest {
        Manifest(text: "let package = Package(targets: [\(targets.joined(separator: ",\n"))])")
    }

    @Test("The manifest's targets are read with their dependencies, those with folders elsewhere left out")
    func manifestIsRead() {
        let text = """
            // .target(name: "Comment")
            let package = Package(
                targets: [
                    .systemLibrary(name: "CSodium"),
                    .target(name: "Kernels", dependencies: [], cSettings: [.unsafeFlags(["-O3", "-g"])]),
                    .executableTarget(
                        name: "tool",
                        dependencies: [
                            "One", .target(name: "Two"),  // "Three"
                            .product(name: "Four", package: "five", condition: .when(traits: ["Six"])),
                        ]),
                    .testTarget(name: "OneTests", dependencies: ["One"]),
                    .executableTarget(name: "Fuzz", dependencies: ["One"], path: "Tests/Fuzz"),
                ]
            )
            package.targets.append(.testTarget(name: "\\(room)Tests", dependencies: dependencies))
            """
        let targets = Manifest(text: text).targets
        #expect(targets.map(\.name) == ["CSodium", "Kernels", "tool"])
        #expect(targets.map(\.dependencies) == [[], [], ["One", "Two", "Four"]])
        #expect(targets.map(\.line) == [4, 5, 6])
    }

    @Test(
        "An import line is understood in each of its forms",
        arguments: [
            "import Mesh", "package import Mesh", "@preconcurrency import Mesh", "@_spi(Bench) internal import Mesh",
            "import struct Mesh.View", "    import Mesh  // indented under #if",
        ])
    func importForms(_ line: String) {
        let file = SourceFile(
            path: "a.swift", text: "// import Trust\n\(line)\nlet text = \"\"\"\nimport Digest\n\"\"\"\n")
        #expect(file.imports.map(\.module) == ["Mesh"])
        #expect(file.imports.map(\.number) == [2])
    }

    @Test(
        "An arrow that the floors allow passes",
        arguments: [
            ("Records", "Digest"), ("PeerLogic", "Mesh"), ("MeshTransport", "ZeroMQ"), ("DataPlane", "EventThread"),
            ("EventThread", "Telemetry"), ("Sidecar", "Configuration"), ("modelexpress", "CommandLine"),
            ("Simulation", "Signing"), ("Telemetry", "CLinux"),
        ])
    func allowedArrow(_ importer: String, _ imported: String) {
        #expect(Floors.mayImport(importer, imported))
    }

    @Test(
        "An arrow upward or sideways is found in the import line and in the manifest",
        arguments: [
            ("Digest", "Records"), ("Mesh", "Transfer"), ("Trust", "Signing"), ("Telemetry", "EventThread"),
            ("ZeroMQ", "MeshTransport"), ("DataPlane", "ZeroMQ"), ("Configuration", "Sidecar"),
            ("Sidecar", "Rendezvous"),
            ("Simulation", "DataPlane"), ("modelexpress", "modelexpress-sidecar"),
        ])
    func forbiddenArrow(_ importer: String, _ imported: String) {
        let found = ArrowRules.violations(
            rooms: [room(importer, "import \(imported)\n"), room(imported, "")],
            manifest: manifest(
                ".target(name: \"\(importer)\", dependencies: [\"\(imported)\"])", ".target(name: \"\(imported)\")"))
        #expect(
            found.map(\.description) == [
                "Sources/\(importer)/File.swift:1: \(importer) may not import \(imported)",
                "Package.swift:1: \(importer) may not depend on \(imported)",
            ])
    }

    @Test("A room without a floor, a folder without a target and a target without a folder are found")
    func strangers() {
        let found = ArrowRules.violations(
            rooms: [room("Attic", ""), room("Mesh", "")], manifest: manifest(".target(name: \"Trust\")"))
        #expect(found.map(\.path) == ["Sources/Attic", "Sources/Mesh", "Package.swift"])
    }

    @Test("Undeclared imports and unused declarations are found, of rooms and of products")
    func declarationsMatchImports() {
        let found = ArrowRules.violations(
            rooms: [
                room("Mesh", "import Glibc\nimport Records\nimport NIOCore\n"), room("Records", ""), room("Digest", ""),
            ],
            manifest: manifest(
                ".target(name: \"Mesh\", dependencies: [\"Digest\", .product(name: \"Logging\", package: \"swift-log\")])",
                ".target(name: \"Records\")", ".target(name: \"Digest\")"))
        #expect(
            found.map(\.description) == [
                "Sources/Mesh/File.swift:2: imports Records, which Mesh does not declare in Package.swift",
                "Sources/Mesh/File.swift:3: imports NIOCore, which Mesh does not declare in Package.swift",
                "Package.swift:1: Mesh declares Digest, which none of its files imports",
                "Package.swift:1: Mesh declares Logging, which none of its files imports",
            ])
    }

    @Test("A second room that imports a C module is found, except for the shared one")
    func oneRoomWrapsACModule() {
        let importers = ["Signing", "Configuration"].map { room($0, "import CSodium\nimport CLinux\n") }
        let targets = ["Signing", "Configuration"].map {
            ".target(name: \"\($0)\", dependencies: [\"CSodium\", \"CLinux\"])"
        }
        let found = ArrowRules.violations(rooms: importers, manifest: manifest(targets[0], targets[1]))
        #expect(found.map(\.path) == ["Sources/CSodium"])
    }

    @Test(
        "Impure code on a pure floor is found",
        arguments: [
            "import Foundation", "import Glibc", "import CLinux", "import EventThread", "let now = Date()",
            "let id = UUID()",
            "let dice = Int.random(in: 1...6)", "let mixed = list.shuffled()", "let one = list.randomElement()",
            "Task { work() }", "Task.detached(operation: work)", "actor Keeper {}", "func wait() async {}",
            "await wait()",
            "print(value)", "let now = ContinuousClock.now",
        ])
    func impureCode(_ line: String) {
        let found = PurityRules.violations(rooms: [room("Mesh", "\n\(line)\n")])
        #expect(found.map(\.line) == [2])
        #expect(PurityRules.violations(rooms: [room("ZeroMQ", line)]).isEmpty)
    }

    @Test(
        "Pure code is left alone",
        arguments: [
            "let dice = Int.random(in: 1...6, using: &generator)", "let mixed = list.shuffled(using: &generator)",
            "// an actor would await print(x)", "let text = \"Date() \\(name) async\"", "let expiryDate = update(date)",
            "let factor = fingerprint(key)", "import Records", "let words = #\"say \"await\"\"#",
        ])
    func pureCode(_ line: String) {
        #expect(PurityRules.violations(rooms: [room("Mesh", line)]) == [])
    }

    @Test("A program over its limit is found; a room above it is not a program")
    func longProgram() {
        let atLimit = String(repeating: "let a = 1\n", count: SizeRules.programLimit)
        #expect(SizeRules.longPrograms(rooms: [room("modelexpress", atLimit), room("Sidecar", atLimit + "\n")]) == [])
        #expect(SizeRules.longPrograms(rooms: [room("modelexpress", atLimit + "\n")]).count == 1)
    }

    @Test("A file over its limit is found, unless it is generated")
    func longFile() {
        let text = String(repeating: "let a = 1\n", count: SizeRules.fileLimit + 1)
        let paths = ["a.swift", "a.pb.swift", "a.c"]
        #expect(SizeRules.longFiles(paths.map { SourceFile(path: $0, text: text) }).map(\.path) == ["a.swift"])
    }

    @Test("A function over its limit is found, whatever brackets stand in its strings and comments")
    func longFunction() {
        let body = String(repeating: "        work(\"}\")  // }\n", count: SizeRules.functionLimit - 1)
        let text = "struct Long {\n    func tooLong<A>(a: () -> Void = { }) -> A where A: B {\n\(body)    }\n}\n"
        let found = SizeRules.longFunctions([SourceFile(path: "a.swift", text: text)])
        #expect(found.map(\.line) == [2])
    }

    @Test("Functions, initialisers and requirements are told apart")
    func functionLengths() {
        let code = """
            protocol Port {
                func send(_ bytes: [UInt8]) throws
                func close()
            }
            struct Door {
                init() {
                    self.init(1)
                }
                func open(
                    a: Int
                ) {
                    if a > 0 {
                    }
                }
            }
            """
        let expected = [(6, 3), (9, 6)].map { FunctionLengths.Measured(firstLine: $0, lines: $1) }
        #expect(FunctionLengths.measure(code) == expected)
    }

    @Test(
        "Unfinished, forced and unproven code is found",
        arguments: [
            "// TODO: later", "/// FIXME", "let a = 1  // XXX", "// HACK", "let a = try! b()", "let a = b as! C",
            "final class Box: @unchecked Sendable {}",
        ])
    func bannedWords(_ line: String) {
        #expect(WordRules.violations(rooms: [room("ZeroMQ", "\n\(line)\n")]).map(\.line) == [2])
    }

    @Test(
        "Words that only look banned are left alone",
        arguments: [
            "let pattern = \"XXXXXX\"", "let a = try? b()", "let a = b as? C", "let alias = !a",
            "// try! is not used here",
            "/// Its thread alone touches it.\n@preconcurrency\nfinal class Box: @unchecked Sendable {}",
        ])
    func allowedWords(_ text: String) {
        #expect(WordRules.violations(rooms: [room("ZeroMQ", text)]) == [])
    }
}
