import Records

/// By what one side of a lane finds ports of the other that it reaches.
struct RDMAPortAddress: Hashable {
    let kind: VerbsAddress.Kind
    /// 16 bytes.
    let address: [UInt8]

    init(kind: VerbsAddress.Kind, address: [UInt8]) {
        self.kind = kind
        self.address = address
    }

    init(_ choice: VerbsChoice) { self.init(kind: choice.address.kind, address: choice.address.bytes) }

    func encode(to writer: inout WireWriter) {
        writer.write(kind.rawValue)
        writer.append(raw: address)
    }

    init(from reader: inout WireReader) throws(WireError) {
        let raw = try reader.read(UInt8.self, "kind of address")
        guard let kind = VerbsAddress.Kind(rawValue: raw) else {
            throw .unknownValue(field: "kind of address", value: UInt64(raw))
        }
        self.kind = kind
        address = Array(try reader.readRaw(16, "address"))
    }
}
