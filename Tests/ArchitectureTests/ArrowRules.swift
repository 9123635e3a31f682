/// Who imports whom: what Package.swift declares and what the import lines say must agree, and follow the floors.
enum ArrowRules {
    static func violations(rooms: [Room], manifest: Manifest) -> [Violation] {
        let roomNames = Set(rooms.map(\.name))
        var found: [Violation] = []
        for room in rooms {
            let path = "Sources/\(room.name)"
            guard Floors.floorOfRoom[room.name] != nil else {
                found.append(Violation(path: path, message: "stands on no floor; give it one in Floors.swift"))
                continue
            }
            guard let target = manifest.targets.first(where: { $0.name == room.name }) else {
                found.append(Violation(path: path, message: "is no target of Package.swift"))
                continue
            }
            found += undeclaredOrForbidden(room, target, roomNames) + unused(room, target)
        }
        found += manifest.targets.filter { !roomNames.contains($0.name) }.map {
            Violation(path: "Package.swift", line: $0.line, message: "target \($0.name) has no folder under Sources")
        }
        return found + sharedCModules(rooms)
    }

    private static func undeclaredOrForbidden(
        _ room: Room, _ target: Manifest.Target, _ roomNames: Set<String>
    ) -> [Violation] {
        var found: [Violation] = []
        let declared = Set(target.dependencies.flatMap { Floors.modulesOfProduct[$0] ?? [$0] })
        for file in room.files {
            for line in file.imports where line.module != room.name && !Floors.toolchainModules.contains(line.module) {
                if isRoom(line.module, roomNames), !Floors.mayImport(room.name, line.module) {
                    let message = "\(room.name) may not import \(line.module)"
                    found.append(Violation(path: file.path, line: line.number, message: message))
                }
                if !declared.contains(line.module) {
                    let message = "imports \(line.module), which \(room.name) does not declare in Package.swift"
                    found.append(Violation(path: file.path, line: line.number, message: message))
                }
            }
        }
        for name in target.dependencies where isRoom(name, roomNames) && !Floors.mayImport(room.name, name) {
            let message = "\(room.name) may not depend on \(name)"
            found.append(Violation(path: "Package.swift", line: target.line, message: message))
        }
        return found
    }

    private static func unused(_ room: Room, _ target: Manifest.Target) -> [Violation] {
        let imported = Set(room.files.flatMap { $0.imports.map(\.module) })
        return target.dependencies.filter { name in
            !(Floors.modulesOfProduct[name] ?? [name]).contains(where: imported.contains)
        }.map { name in
            let message = "\(room.name) declares \(name), which none of its files imports"
            return Violation(path: "Package.swift", line: target.line, message: message)
        }
    }

    private static func sharedCModules(_ rooms: [Room]) -> [Violation] {
        Floors.rooms[0, default: []].filter { !Floors.sharedCModules.contains($0) }.compactMap { module in
            let importers = rooms.filter { $0.files.contains { $0.imports.contains { $0.module == module } } }.map(
                \.name)
            guard importers.count > 1 else { return nil }
            let message = "is imported by \(importers.joined(separator: " and ")); one room wraps a C module"
            return Violation(path: "Sources/\(module)", message: message)
        }
    }

    private static func isRoom(_ name: String, _ roomNames: Set<String>) -> Bool {
        roomNames.contains(name) || Floors.floorOfRoom[name] != nil
    }
}
