import Testing

extension EndToEnd {
    @Suite("Files that can't be served")
    struct BadFileTests {
        enum Damage: String, CaseIterable, Sendable {
            case cutShort, overlapping, outOfRange, hole, claimsAll, noHeader, notJSON

            /// A word that the message must hold beside the file's name.
            var word: String {
                switch self {
                case .cutShort: "cut short"
                case .overlapping: "'second'"
                case .outOfRange: "'second'"
                case .hole: "'second'"
                case .claimsAll: "9223372036854775808"
                case .noHeader: "at least 8"
                case .notJSON: "header"
                }
            }

            func write(to path: String) throws {
                let sound = Safetensors.header([.init(name: "first", size: 100), .init(name: "second", size: 100)])
                switch self {
                case .cutShort: try Safetensors.write(header: sound, dataSize: 150, to: path)
                case .overlapping: try Safetensors.write(header: Self.second(from: 50), dataSize: 150, to: path)
                case .outOfRange: try Safetensors.write(header: Self.second(from: 4000), dataSize: 200, to: path)
                case .hole: try Safetensors.write(header: Self.second(from: 110), dataSize: 210, to: path)
                case .claimsAll:
                    try Safetensors.write(header: sound, dataSize: 200, claimedSize: 1 << 63, to: path)
                case .noHeader: try Files.write([1, 2, 3], to: path)
                case .notJSON: try Safetensors.write(header: "this is no JSON", dataSize: 10, to: path)
                }
            }

            private static func second(from begin: Int) -> String {
                """
                {"first":{"dtype":"U8","shape":[100],"data_offsets":[0,100]},\
                "second":{"dtype":"U8","shape":[100],"data_offsets":[\(begin),\(begin + 100)]}}
                """
            }
        }

        @Test("A damaged safetensors file is refused by name, with exit code 1", arguments: Damage.allCases)
        func damaged(damage: Damage) async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try damage.write(to: "\(folder)/model.safetensors")
                let message = try await cluster.startServe(folder, as: "m").failed(with: 1)
                #expect(message.contains("model.safetensors"))
                #expect(message.contains(damage.word), "\(message)")
            }
        }

        @Test("An index that names a missing file is refused by name, with exit code 1")
        func missingShard() async throws {
            try await Cluster.run { cluster in
                let folder = try cluster.makeFolder("model")
                try Safetensors.write([.init(name: "a", size: 8)], to: "\(folder)/one.safetensors")
                try Files.write(
                    #"{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}"#.utf8,
                    to: "\(folder)/model.safetensors.index.json")
                let message = try await cluster.startServe(folder, as: "m").failed(with: 1)
                #expect(message.contains("two.safetensors"))
            }
        }

        @Test("A folder that isn't there is exit code 3, an empty one is 1, and both are named")
        func noFolder() async throws {
            try await Cluster.run { cluster in
                let missing = try await cluster.startServe(cluster.path("missing")).failed(with: 3)
                #expect(missing.contains(cluster.path("missing")))
                let empty = try await cluster.startServe(try cluster.makeFolder("empty")).failed(with: 1)
                #expect(empty.contains(cluster.path("empty")))
            }
        }
    }
}
