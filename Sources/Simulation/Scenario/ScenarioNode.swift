import Mesh
import Records
import Yams

/// A value of a scenario file with its place, read as what it should be.
struct ScenarioNode {
    let node: Node
    let place: ScenarioPlace

    init(_ node: Node, path: String, key: String) {
        self.node = node
        place = ScenarioPlace(path: path, line: node.mark?.line ?? 0, key: key)
    }

    // MARK: Composite values

    /// A mapping with no other keys than these.
    func map(_ allowed: [String]) throws(ScenarioError) -> ScenarioMap {
        guard let mapping = node.mapping else { throw invalid("keys with values: \(allowed.joined(separator: ", "))") }
        var values: [String: ScenarioNode] = [:]
        for (key, value) in mapping {
            let name = key.string ?? ""
            let child = ScenarioNode(value, path: place.path, key: place.key.isEmpty ? name : "\(place.key).\(name)")
            guard allowed.contains(name) else {
                var place = child.place
                place.line = key.mark?.line ?? place.line
                throw .unknownKey(place: place, allowed: allowed)
            }
            values[name] = child
        }
        return ScenarioMap(place: place, values: values)
    }

    /// Whether it is a mapping with this key.
    func has(_ key: String) -> Bool { node.mapping?.contains { $0.key.string == key } ?? false }

    /// A mapping with exactly one of these keys.
    func one(of allowed: [String]) throws(ScenarioError) -> (key: String, value: ScenarioNode) {
        let map = try map(allowed)
        guard map.values.count == 1, let first = map.values.first else {
            throw invalid("exactly one of: \(allowed.joined(separator: ", "))")
        }
        return (first.key, first.value)
    }

    func list() throws(ScenarioError) -> [ScenarioNode] {
        guard let sequence = node.sequence else { throw invalid("a list") }
        return sequence.enumerated().map { index, node in
            ScenarioNode(node, path: place.path, key: "\(place.key)[\(index)]")
        }
    }

    // MARK: Scalars

    func text() throws(ScenarioError) -> String {
        guard let text = node.scalar?.string, !text.isEmpty else { throw invalid("a word") }
        return text
    }

    func word<Word: RawRepresentable & CaseIterable>() throws(ScenarioError) -> Word where Word.RawValue == String {
        guard let word = Word(rawValue: try text()) else {
            throw invalid("one of: \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return word
    }

    func flag() throws(ScenarioError) -> Bool {
        switch try text() {
        case "true": return true
        case "false": return false
        default: throw invalid("true or false")
        }
    }

    func count(in range: ClosedRange<Int>) throws(ScenarioError) -> Int {
        guard let count = Int(try text()), range.contains(count) else {
            throw invalid("a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }

    func number() throws(ScenarioError) -> Double {
        guard let number = Double(try text()), number.isFinite else { throw invalid("a number") }
        return number
    }

    /// Nanoseconds.
    func duration() throws(ScenarioError) -> UInt64 {
        guard let duration = ScenarioText.nanoseconds(try text()) else {
            throw invalid("a duration such as 55us, 10ms, 0.2ms, 5s, 10m or 1h")
        }
        return duration
    }

    /// Milliseconds, forward or back.
    func signedMilliseconds() throws(ScenarioError) -> Int64 {
        let text = try text()
        let isBack = text.hasPrefix("-")
        guard let duration = ScenarioText.nanoseconds(isBack ? text.dropFirst() : text[...]) else {
            throw invalid("a duration such as 30s or -30s")
        }
        let milliseconds = Int64(duration / Duration64.millisecond)
        return isBack ? -milliseconds : milliseconds
    }

    func share() throws(ScenarioError) -> Share {
        guard let share = ScenarioText.share(try text()) else { throw invalid("a share such as 5% or 0.1%") }
        return share
    }

    func invalid(_ expected: String) -> ScenarioError {
        .invalid(
            place: place, value: node.scalar?.string ?? (node.mapping != nil ? "{...}" : "[...]"), expected: expected)
    }
}

/// A mapping of a scenario file.
struct ScenarioMap {
    let place: ScenarioPlace
    let values: [String: ScenarioNode]

    subscript(key: String) -> ScenarioNode? { values[key] }

    func required(_ key: String) throws(ScenarioError) -> ScenarioNode {
        guard let value = values[key] else { throw .missing(place: place, key: key) }
        return value
    }

    /// Replaces `value` with what stands under a key, if anything does.
    func read<Value>(
        _ key: String, into value: inout Value, _ read: (ScenarioNode) throws(ScenarioError) -> Value
    ) throws(ScenarioError) {
        if let node = values[key] { value = try read(node) }
    }
}

/// Quantities as scenario files write them.
enum ScenarioText {
    private static let units: [(suffix: String, nanoseconds: Double)] = [
        ("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9),
    ]

    /// `10ms`, `0.2ms`, `5s`; nil for anything else, without a unit too.
    static func nanoseconds(_ text: some StringProtocol) -> UInt64? {
        for (suffix, factor) in units where text.hasSuffix(suffix) {
            guard let number = Double(text.dropLast(suffix.count)) else { continue }
            guard number.isFinite, number >= 0, number * factor < 1e18 else { return nil }
            return UInt64((number * factor).rounded())
        }
        return nil
    }

    /// `5%`, `0.1%`; nil for anything else.
    static func share(_ text: some StringProtocol) -> Share? {
        guard text.hasSuffix("%"), let number = Double(text.dropLast()), (0...100).contains(number) else { return nil }
        return Share(millionths: UInt64((number * 10_000).rounded()))
    }
}
