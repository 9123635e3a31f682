/// The version of an owner's record: a higher incarnation ends all lower ones, then the higher sequence wins.
package struct Version: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970 at the owner's start.
    package let incarnation: UInt64
    package let sequence: UInt64

    package init(incarnation: UInt64, sequence: UInt64) {
        self.incarnation = incarnation
        self.sequence = sequence
    }

    package static func < (left: Version, right: Version) -> Bool {
        (left.incarnation, left.sequence) < (right.incarnation, right.sequence)
    }
}

extension Version: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(incarnation)
        writer.write(sequence)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        incarnation = try reader.read("incarnation")
        sequence = try reader.read("sequence")
    }
}

/// When a record was issued and how long it holds without renewal, both as its owner signed them.
package struct Validity: Hashable, Sendable {
    /// Milliseconds since 1970.
    package let issuedAt: Int64
    /// Milliseconds.
    package let term: Int64

    package init(issuedAt: Int64, term: Int64) {
        self.issuedAt = issuedAt
        self.term = term
    }

    /// From signed values alone, so that forwarding never extends it. Saturates, since both come from outside.
    package var validUntil: Int64 {
        let (sum, overflow) = issuedAt.addingReportingOverflow(term + ValidityLimits.skew)
        return overflow ? .max : sum
    }

    /// Whether a peer whose clock says `wall` may take the record at all.
    package func isAcceptable(atWall wall: Int64) -> Bool {
        term > 0 && term <= ValidityLimits.term && issuedAt <= wall + ValidityLimits.skew && validUntil > wall
    }
}

extension Validity: WireCodable {
    package func encode(to writer: inout WireWriter) {
        writer.write(issuedAt)
        writer.write(term)
    }

    package init(from reader: inout WireReader) throws(WireError) {
        issuedAt = try reader.readSigned("issuedAt")
        term = try reader.readSigned("term")
        guard term >= 0, term <= Int64.max / 2 else { throw .malformed(field: "term") }
    }
}
