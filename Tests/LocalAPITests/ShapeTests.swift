import LocalAPI
import Testing

/// The JSON that outsiders hold, word for word.
struct ShapeTests {
    private static let peer = PeerView(
        peer: "4f1c", name: "replica-1", zone: "rack-a", address: "10.0.0.1", bootstrapPort: 8012,
        roles: ["origin", "relay"], token: "70cc", isNeighbour: true, isSelf: false, slotsInUse: 1, slots: 2,
        bytesServed: 3,
        bytesReceived: 4, validForSeconds: 12.5)
    private static let source = SourceView(
        model: "team/llama-3", revision: "main", stage: "files", rank: 0, peer: "4f1c", name: "replica-1",
        manifest: "abcd", introduction: "1234", state: "live", coverage: 0.625, bytes: 16_000_000_000,
        lanes: ["shm", "tcp"], slotsInUse: 1,
        slots: 2)
    private static let given = PullSourceView(
        peer: "4f1c", name: "replica-1", lane: "tcp", bytes: 10, chunks: 2, failures: 0, note: "")

    private func expectGolden<Value: Codable & Equatable>(_ value: Value, _ json: String) throws {
        #expect(try LocalJSON.text(value) == json)
        #expect(try LocalJSON.decode(Value.self, from: json.utf8) == value)
    }

    @Test("A peer's JSON stays what it is")
    func peer() throws {
        try expectGolden(
            Self.peer,
            #"{"address":"10.0.0.1","bootstrap_port":8012,"bytes_received":4,"bytes_served":3,"is_neighbour":true,"#
                + #""is_self":false,"name":"replica-1","peer":"4f1c","roles":["origin","relay"],"slots":2,"#
                + #""slots_in_use":1,"token":"70cc","valid_for_seconds":12.5,"zone":"rack-a"}"#)
    }

    @Test("A source's JSON stays what it is")
    func source() throws {
        try expectGolden(
            Self.source,
            #"{"bytes":16000000000,"coverage":0.625,"introduction":"1234","lanes":["shm","tcp"],"manifest":"abcd","model":"team/llama-3","#
                + #""name":"replica-1","peer":"4f1c","rank":0,"revision":"main","slots":2,"slots_in_use":1,"#
                + #""stage":"files","state":"live"}"#)
    }

    @Test("A process's JSON stays what it is, and says nothing of a store it has not", arguments: [nil, "connected"])
    func status(store: String?) throws {
        let status = StatusView(
            program: "modelexpress", state: "serving", peer: "4f1c", name: "a", cluster: "beef", address: "10.0.0.1",
            bootstrapPort: 1, controlPort: 2, gossipPort: 3, dataPort: 4, neighbours: 5, peers: 6, slotsInUse: 0,
            bytesServed: 7, bytesReceived: 8, store: store)
        let end = store.map { #","store":"\#($0)"}"# } ?? "}"
        try expectGolden(
            status,
            #"{"address":"10.0.0.1","bootstrap_port":1,"bytes_received":8,"bytes_served":7,"cluster":"beef","#
                + #""control_port":2,"data_port":4,"gossip_port":3,"name":"a","neighbours":5,"peer":"4f1c","peers":6,"#
                + #""program":"modelexpress","slots_in_use":0,"state":"serving""# + end)
    }

    @Test("What a source gave stays what it is in JSON")
    func pullSource() throws {
        try expectGolden(
            Self.given,
            #"{"bytes":10,"chunks":2,"failures":0,"lane":"tcp","name":"replica-1","note":"","peer":"4f1c"}"#)
    }

    @Test("An event with nothing but its name is as short in JSON")
    func shortEvent() throws { try expectGolden(JobEvent(event: "searching"), #"{"event":"searching"}"#) }

    @Test("An event's JSON stays what it is")
    func event() throws {
        var event = JobEvent(event: "complete")
        event.model = "m"
        event.revision = "r"
        event.manifest = "abcd"
        event.directory = "/models/m"
        event.bytes = 10
        event.totalBytes = 10
        event.chunks = 2
        event.totalChunks = 2
        event.sourceCount = 1
        event.seconds = 0.5
        event.gigabytesPerSecond = 2.25
        event.source = Self.given
        event.sources = [Self.given]
        event.integrity = "full"
        event.message = "done"
        event.exitCode = 0
        event.bootstrap = "10.0.0.1:8012"
        let given = try LocalJSON.text(Self.given)
        try expectGolden(
            event,
            #"{"bootstrap":"10.0.0.1:8012","bytes":10,"chunks":2,"directory":"/models/m","event":"complete","#
                + #""exit_code":0,"gigabytes_per_second":2.25,"integrity":"full","manifest":"abcd","message":"done","#
                + #""model":"m","revision":"r","seconds":0.5,"source":\#(given),"source_count":1,"sources":[\#(given)],"#
                + #""total_bytes":10,"total_chunks":2}"#)
    }

    @Test("A request's JSON stays what it is")
    func request() throws {
        var request = LocalRequest(request: "pull")
        request.path = "/models/m"
        request.model = "m"
        request.revision = "r"
        request.lane = "tcp"
        request.waitSeconds = 1.5
        try expectGolden(
            request,
            #"{"lane":"tcp","model":"m","path":"/models/m","request":"pull","revision":"r","wait_seconds":1.5}"#)
    }

    @Test("An answer's JSON stays what it is")
    func answer() throws {
        var answer = LocalAnswer(isLast: true)
        answer.peers = [Self.peer]
        answer.sources = [Self.source]
        answer.metrics = "a 1\n"
        answer.job = JobEvent(event: "found")
        answer.error = "no"
        answer.exitCode = 3
        let (peer, source) = (try LocalJSON.text(Self.peer), try LocalJSON.text(Self.source))
        try expectGolden(
            answer,
            #"{"error":"no","exit_code":3,"is_last":true,"job":{"event":"found"},"metrics":"a 1\n","#
                + #""peers":[\#(peer)],"sources":[\#(source)]}"#)
    }

    @Test("Members that a later version added are passed over")
    func additions() throws {
        let json = #"{"request":"status","colour":{"deep":[1,2]}}"#
        #expect(try LocalJSON.decode(LocalRequest.self, from: json.utf8) == LocalRequest(request: "status"))
    }

    @Test(
        "What is not JSON, or not this object, is refused with a reason",
        arguments: ["", "{", "null", "[]", #"{"request":7}"#, #"{"model":"m"}"#, "\u{0}"])
    func malformed(json: String) {
        #expect(throws: LocalJSONError.self) { try LocalJSON.decode(LocalRequest.self, from: json.utf8) }
    }

    @Test("Broken UTF-8 is refused and not repaired")
    func brokenText() {
        let bytes = Array(#"{"request":""#.utf8) + [0xFF] + Array(#""}"#.utf8)
        let error = #expect(throws: LocalJSONError.self) { try LocalJSON.decode(LocalRequest.self, from: bytes) }
        #expect(error?.reason == "it is not UTF-8")
    }

    @Test("A number that JSON can't hold is an error and no invalid line")
    func infinity() {
        var event = JobEvent(event: "progress")
        event.seconds = .nan
        #expect(throws: LocalJSONError.self) { try LocalJSON.text(event) }
    }
}
