import Records
import Testing

@testable import SnapshotStore

struct VersionTextTests {
    @Test("The text of versions has the order of versions, also above 2^53")
    func keepsOrder() {
        let numbers: [UInt64] = [0, 1, 9, 10, 1 << 53, 1 << 53 + 1, 1 << 63, .max - 1, .max]
        let versions = numbers.flatMap { incarnation in
            numbers.map { Version(incarnation: incarnation, sequence: $0) }
        }
        let texts = versions.map { String(decoding: VersionText.encode($0), as: UTF8.self) }
        #expect(texts == texts.sorted())
        #expect(Set(texts.map(\.count)) == [40])
        #expect(texts.map { VersionText.decode(Array($0.utf8)) } == versions)
    }

    @Test("What is no version's text is refused", arguments: ["", "1", String(repeating: "9", count: 40), "+"])
    func refuses(text: String) {
        #expect(VersionText.decode(Array(text.utf8)) == nil)
        #expect(VersionText.decode(Array((text + String(repeating: "0", count: 40)).utf8.prefix(39))) == nil)
    }
}
