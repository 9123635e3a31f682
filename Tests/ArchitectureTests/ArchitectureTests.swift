import Testing

/// The rules, on this repository.
struct ArchitectureTests {
    /// Read once for all tests.
    private static let readRooms = Result { try Repository.rooms() }
    private static let readTests = Result { try Repository.sourceFiles(under: "Tests") }

    private let rooms: [Room]
    private let tests: [SourceFile]

    init() throws {
        rooms = try Self.readRooms.get()
        tests = try Self.readTests.get()
    }

    @Test("The rules see the whole tree")
    func treeIsRead() {
        #expect(rooms.first { $0.name == "Records" }?.files.isEmpty == false)
        #expect(tests.contains { #filePath.hasSuffix($0.path) })
    }

    @Test("Every import and every declared dependency follows the floors")
    func arrowsFollowTheFloors() throws {
        let manifest = try Manifest(text: Repository.text(of: "Package.swift"))
        #expect(manifest.targets.count >= rooms.count)
        expectNone(ArrowRules.violations(rooms: rooms, manifest: manifest))
    }

    @Test("Floors 1 and 2 have no clock, no dice, no tasks and no output")
    func pureFloorsArePure() {
        expectNone(PurityRules.violations(rooms: rooms))
    }

    @Test("A program is flags and assembly")
    func programsAreShort() {
        expectNone(SizeRules.longPrograms(rooms: rooms))
    }

    @Test("No file and no function is too long to read")
    func filesAndFunctionsAreShort() {
        let files = rooms.flatMap(\.files) + tests
        expectNone(SizeRules.longFiles(files) + SizeRules.longFunctions(files))
    }

    @Test("Nothing unfinished, forced or unproven stands in Sources")
    func noBannedWords() {
        expectNone(WordRules.violations(rooms: rooms))
    }

    @Test("The README names both commands", arguments: ["deploy/demo.sh", "Tests/run.sh"])
    func readmeNamesCommand(_ command: String) throws {
        #expect(try Repository.text(of: "README.md").contains(command))
    }
}
