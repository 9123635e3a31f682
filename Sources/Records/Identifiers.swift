package import Digest

/// A 256-bit name of one kind of thing. The phantom `Kind` keeps a peer's key from being taken for a manifest's hash.
package struct Identifier<Kind>: Hashable, Comparable, Sendable {
    package let digest: Digest256

    package init(_ digest: Digest256) { self.digest = digest }

    /// Takes exactly 32 bytes; anything else gives nil.
    package init?(bytes: some Collection<UInt8>) {
        guard let digest = Digest256(bytes) else { return nil }
        self.digest = digest
    }

    /// The same without generic code: every frame's head is looked at so.
    package init?(bytes: ArraySlice<UInt8>) {
        guard let digest = Digest256(bytes) else { return nil }
        self.digest = digest
    }

    package var bytes: [UInt8] { digest.bytes }

    /// Twelve hexadecimal digits, enough for people to tell things apart in logs and tables.
    package var short: String { String(digest.description.prefix(12)) }

    package static func < (left: Self, right: Self) -> Bool { left.digest < right.digest }
}

extension Identifier: CustomStringConvertible {
    package var description: String { digest.description }
}

package enum PeerKind: Sendable {}
package enum ClusterKind: Sendable {}
package enum TokenKind: Sendable {}
package enum SourceKind: Sendable {}
package enum ManifestKind: Sendable {}
package enum IntroductionKind: Sendable {}
package enum RecordKind: Sendable {}
package enum LeaseKind: Sendable {}
package enum CurveKind: Sendable {}

/// A peer's Ed25519 public key, made anew at each process start.
package typealias PeerID = Identifier<PeerKind>
/// BLAKE2b-256 of the cluster's root public key.
package typealias ClusterID = Identifier<ClusterKind>
/// BLAKE2b-256 of a token's grant.
package typealias TokenID = Identifier<TokenKind>
/// SHA-256 of a source identity's canonical bytes.
package typealias SourceID = Identifier<SourceKind>
/// BLAKE2b-256 of a manifest's canonical bytes.
package typealias ManifestID = Identifier<ManifestKind>
/// BLAKE2b-256 of an introduction's signed payload.
package typealias IntroductionID = Identifier<IntroductionKind>
/// SHA-256 of a record's key.
package typealias RecordID = Identifier<RecordKind>
/// Random name of a lease.
package typealias LeaseID = Identifier<LeaseKind>
/// A peer's X25519 public key, by which CURVE proves a neighbour.
package typealias CurveKey = Identifier<CurveKind>
