import LocalAPI
import Testing

/// The JSON of the overview, word for word: pages and tools of other releases read it.
struct OverviewShapeTests {
    private func expectGolden<Value: Codable & Equatable>(_ value: Value, _ json: String) throws {
        #expect(try LocalJSON.text(value) == json)
        #expect(try LocalJSON.decode(Value.self, from: json.utf8) == value)
    }

    static let server = OverviewServer(
        name: "server-0", peer: "4f1c", cluster: "beef", version: "0.1.0", state: "degraded", reasons: ["No Redis."],
        store: "connection refused", storeWaiting: 3, started: 1, time: 2)

    @Test("The server's part stays what it is")
    func serverPart() throws {
        try expectGolden(
            Self.server,
            #"{"cluster":"beef","name":"server-0","peer":"4f1c","reasons":["No Redis."],"started":1,"#
                + #""state":"degraded","store":"connection refused","store_waiting":3,"time":2,"version":"0.1.0"}"#)
    }

    @Test("The mesh's part stays what it is, and leaves out what is not known", arguments: [nil, Int64(12)])
    func meshPart(offset: Int64?) throws {
        let mesh = OverviewMesh(
            peers: 1, neighbours: 2, channels: 3, records: 4, revocations: 5, quarantined: 1,
            quarantinedPeers: ["4f1c"], clockOffsetMilliseconds: offset, beaconSeconds: 2, termSeconds: 8,
            lastCompared: offset)
        let (clock, compared) =
            offset.map { (#""clock_offset_milliseconds":\#($0),"#, #""last_compared":\#($0),"#) } ?? ("", "")
        try expectGolden(
            mesh,
            #"{"beacon_seconds":2,"channels":3,"# + clock + compared
                + #""neighbours":2,"peers":1,"quarantined":1,"quarantined_peers":["4f1c"],"records":4,"#
                + #""revocations":5,"term_seconds":8}"#)
    }

    @Test("Load and history stay what they are")
    func loadAndHistory() throws {
        try expectGolden(
            OverviewLoad(
                receivingBytesPerSecond: 1.5, slotsInUse: 1, slots: 2, bytesReceived: 3, bytesServed: 4,
                zones: [OverviewZone(zone: "a", peers: 1, slotsInUse: 1, slots: 2, receivingBytesPerSecond: 1.5)],
                zonesTotal: 1),
            #"{"bytes_received":3,"bytes_served":4,"receiving_bytes_per_second":1.5,"slots":2,"slots_in_use":1,"#
                + #""zones":[{"peers":1,"receiving_bytes_per_second":1.5,"slots":2,"slots_in_use":1,"zone":"a"}],"#
                + #""zones_total":1}"#)
        try expectGolden(
            OverviewHistory(
                secondsBetween: 2, end: 9, receivingBytesPerSecond: [0, 7], peers: [1, 2], slotsInUse: [0, 1],
                slots: [2, 2]),
            #"{"end":9,"peers":[1,2],"receiving_bytes_per_second":[0,7],"seconds_between":2,"slots":[2,2],"#
                + #""slots_in_use":[0,1]}"#)
    }

    @Test("A peer's row stays what it is")
    func peer() throws {
        let peer = OverviewPeer(
            peer: "4f1c", name: "a\u{202E}<b>", zone: "z", address: "10.0.0.1", bootstrapPort: 8012, roles: ["relay"],
            token: "70cc", link: "neighbour", slotsInUse: 1, slots: 2, bytesServed: 3, bytesReceived: 4,
            servingBytesPerSecond: 5, receivingBytesPerSecond: 6, validUntil: 7)
        try expectGolden(
            OverviewPage(total: 9, matching: 8, offset: 5, rows: [peer]),
            #"{"matching":8,"offset":5,"rows":[{"address":"10.0.0.1","bootstrap_port":8012,"bytes_received":4,"#
                + #""bytes_served":3,"link":"neighbour","name":"a\#u{202E}<b>","peer":"4f1c","#
                + #""receiving_bytes_per_second":6,"roles":["relay"],"serving_bytes_per_second":5,"slots":2,"#
                + #""slots_in_use":1,"token":"70cc","valid_until":7,"zone":"z"}],"total":9}"#)
    }

    @Test("A model's row stays what it is")
    func model() throws {
        try expectGolden(
            OverviewModel(
                model: "m", revision: "r", stage: "files", variant: "bf16", ranks: 1, copies: 2, sources: 4,
                complete: 2, partial: 1, wanting: 1, coverage: [1, 0, 0, 0, 1, 0, 0, 0, 2], bytes: 10, slotsInUse: 1,
                slots: 8),
            #"{"bytes":10,"complete":2,"copies":2,"coverage":[1,0,0,0,1,0,0,0,2],"model":"m","partial":1,"ranks":1,"#
                + #""revision":"r","slots":8,"slots_in_use":1,"sources":4,"stage":"files","variant":"bf16","wanting":1}"#
        )
    }

    @Test("A source's row stays what it is")
    func source() throws {
        try expectGolden(
            OverviewSource(
                model: "m", revision: "r", stage: "files", rank: 0, peer: "4f1c", name: "a", state: "live",
                coverageEighths: 5, bytes: 10, lanes: ["tcp"], slotsInUse: 1, slots: 2, manifest: "abcd",
                introduction: "1234"),
            #"{"bytes":10,"coverage_eighths":5,"introduction":"1234","lanes":["tcp"],"manifest":"abcd","model":"m","#
                + #""name":"a","peer":"4f1c","rank":0,"revision":"r","slots":2,"slots_in_use":1,"stage":"files","#
                + #""state":"live"}"#)
    }

    @Test("Transfers stay what they are; one in flight has no end")
    func transfers() throws {
        let transfer = OverviewTransfer(
            peer: "4f1c", name: "a", model: "m", revision: "r", rank: 0, state: "partial", coverageEighths: 3,
            bytes: 10, receivingBytesPerSecond: 2, began: 5, ended: nil)
        let row =
            #""bytes":10,"coverage_eighths":3,"#
            + #"END"model":"m","name":"a","peer":"4f1c","rank":0,"receiving_bytes_per_second":2,"revision":"r","#
            + #""state":"partial"}"#
        let flying = #"{"began":5,"# + row.replacing("END", with: "")
        let done = #"{"began":5,"# + row.replacing("END", with: #""ended":6,"#)
        var ended = transfer
        ended.ended = 6
        try expectGolden(
            OverviewTransfers(inFlightTotal: 1, inFlight: [transfer], endedTotal: 3, ended: [ended]),
            #"{"ended":[\#(done)],"ended_total":3,"in_flight":[\#(flying)],"in_flight_total":1}"#)
    }

    @Test("An overview has these parts, and says whether there is a pool")
    func whole() throws {
        let empty = OverviewTransfers(inFlightTotal: 0, inFlight: [], endedTotal: 0, ended: [])
        let overview = OverviewView(
            server: Self.server,
            mesh: OverviewMesh(
                peers: 0, neighbours: 0, channels: 0, records: 0, revocations: 0, quarantined: 0, quarantinedPeers: [],
                clockOffsetMilliseconds: nil, beaconSeconds: 2, termSeconds: 8, lastCompared: nil),
            load: OverviewLoad(
                receivingBytesPerSecond: 0, slotsInUse: 0, slots: 0, bytesReceived: 0, bytesServed: 0, zones: [],
                zonesTotal: 0),
            history: OverviewHistory(
                secondsBetween: 2, end: nil, receivingBytesPerSecond: [], peers: [], slotsInUse: [], slots: []),
            peers: OverviewPage(total: 0, matching: 0, offset: 0, rows: []),
            models: OverviewPage(total: 0, matching: 0, offset: 0, rows: []),
            sources: OverviewPage(total: 0, matching: 0, offset: 0, rows: []), transfers: empty,
            pool: OverviewPool(isPresent: false))
        let text = try LocalJSON.text(overview)
        let page = #"{"matching":0,"offset":0,"rows":[],"total":0}"#
        #expect(text.hasPrefix(#"{"history":{"#))
        #expect(text.contains(#""models":\#(page),"peers":\#(page),"pool":{"is_present":false},"server":{"#))
        #expect(text.contains(#""sources":\#(page),"transfers":{"ended":[],"#))
        #expect(try LocalJSON.decode(OverviewView.self, from: text.utf8) == overview)
    }
}
