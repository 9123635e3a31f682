/// Reads a step of a timeline: a time, and one thing that happens then.
enum StepReader {
    private static let actions = [
        "announce", "withdraw", "crash", "depart", "pause", "skew", "partition", "heal", "loss", "watch", "plant",
        "turn", "outage", "expire", "revoke", "rotate", "thin", "slow", "eclipse", "upgrade",
    ]

    static func step(_ node: ScenarioNode, zones: Int) throws(ScenarioError) -> Step {
        let map = try node.map(["at"] + actions)
        let named = actions.filter { map[$0] != nil }
        guard named.count == 1, let name = named.first, let value = map[name] else {
            throw node.invalid("`at` and exactly one of: \(actions.joined(separator: ", "))")
        }
        return Step(at: try map.required("at").duration(), try action(name, value, zones))
    }

    private static func action(_ name: String, _ node: ScenarioNode, _ zones: Int) throws(ScenarioError) -> Action {
        switch name {
        case "announce": return .announce(label: try node.text())
        case "withdraw": return .withdraw(label: try node.text())
        case "crash":
            let map = try node.map(selectors + ["noticed", "for"])
            return .crash(
                try selection(map, zones), isNoticed: try map["noticed"]?.flag() ?? true,
                down: try map["for"]?.duration())
        case "depart":
            let map = try node.map(selectors + ["for"])
            return .depart(try selection(map, zones), down: try map["for"]?.duration())
        case "pause":
            let map = try node.map(selectors + ["for"])
            return .pause(try selection(map, zones), duration: try map.required("for").duration())
        case "skew":
            let map = try node.map(selectors + ["by"])
            return .skew(try selection(map, zones), by: try map.required("by").signedMilliseconds())
        case "partition":
            let map = try node.map(selectors + ["for", "blocks"])
            var blocks = PartitionDirection.both
            if let value = map["blocks"] { blocks = try value.word() }
            return .partition(try selection(map, zones), blocks: blocks, duration: try map["for"]?.duration())
        case "heal":
            guard try node.text() == "all" else { throw node.invalid("all") }
            return .heal
        case "loss":
            let (gossip, control) = try NetworkReader.loss(node)
            return .loss(gossip: gossip, control: control)
        case "watch":
            let map = try node.map(["for", "as"])
            let condition: Condition = try map.required("for").word()
            return .watch(condition, label: try map["as"]?.text() ?? condition.rawValue)
        case "turn":
            let map = try node.map(selectors + ["into"])
            let misbehaviour: Misbehaviour = try map.required("into").word()
            return .turn(try selection(map, zones), into: misbehaviour)
        case "eclipse":
            let map = try node.map(selectors + ["contacts", "lying"])
            return .eclipse(
                try selection(map, zones), contacts: try map.required("contacts").count(in: 1...64),
                lying: try map.required("lying").share())
        case "upgrade": return .upgrade(try selection(try node.map(selectors), zones))
        case "thin":
            let map = try node.map(selectors + ["to", "for"])
            return .thin(
                try selection(map, zones), to: try map.required("to").rate(), duration: try map["for"]?.duration())
        case "slow":
            let map = try node.map(selectors + ["by", "for"])
            return .slow(
                try selection(map, zones), by: try map.required("by").count(in: 1...10_000),
                duration: try map["for"]?.duration())
        case "expire":
            let map = try node.map(selectors + ["for"])
            return .expire(try selection(map, zones), after: try map.required("for").duration())
        case "revoke": return .revoke(try selection(try node.map(selectors), zones))
        case "rotate":
            let map = try node.map(selectors + ["for"])
            return .rotate(try selection(map, zones), revokesAfter: try map["for"]?.duration())
        case "outage":
            let map = try node.map(["for", "rollback"])
            return .outage(
                down: try map.required("for").duration(), rollback: try map["rollback"]?.duration() ?? 0)
        default:
            let map = try node.map(selectors + ["fault"])
            let fault: PlantedFault = try map.required("fault").word()
            return .plant(fault, try selection(map, zones))
        }
    }

    private static let selectors = ["share", "count", "role", "zone"]

    private static func selection(_ map: ScenarioMap, _ zones: Int) throws(ScenarioError) -> Selection {
        var selection = Selection(.share(.whole))
        switch (map["share"], map["count"]) {
        case (let share?, nil): selection.amount = .share(try share.share())
        case (nil, let count?): selection.amount = .count(try count.count(in: 1...100_000))
        case (nil, nil):
            guard map["role"] != nil || map["zone"] != nil else {
                throw .missing(place: map.place, key: "share, count, role or zone")
            }
        case (let share?, .some): throw share.invalid("share or count, not both")
        }
        if let role = map["role"] { selection.role = try role.word() }
        if let zone = map["zone"] { selection.zone = try zone.count(in: 0...zones - 1) }
        return selection
    }
}
